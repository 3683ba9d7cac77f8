/** A few calls to a test server, with nothing but fetch: what tests check must not go through what they test. */
export class ElasticsearchProbe {
  readonly url: string;
  constructor(url: string) {
    this.url = url;
  }

  /** The reply as JSON. Throws with the server's words for anything but a 2xx reply. */
  async request<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T> {
    const reply = await fetch(this.url + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text}`);
    return JSON.parse(text) as T;
  }

  /** All documents of an index or data stream, after a refresh; none when it does not exist. At most 10,000. */
  async documents(target: string): Promise<{ _id: string; _index: string; _source: Record<string, unknown> }[]> {
    await this.request("POST", `/${target}/_refresh?ignore_unavailable=true&allow_no_indices=true`);
    const found = await this.request<{
      hits: { hits: { _id: string; _index: string; _source: Record<string, unknown> }[] };
    }>("POST", `/${target}/_search?ignore_unavailable=true&allow_no_indices=true`, { size: 10_000, sort: ["_doc"] });
    return found.hits.hits;
  }

  async messages(target: string): Promise<string[]> {
    return (await this.documents(target)).map((hit) => String(hit._source["message"]));
  }
}
