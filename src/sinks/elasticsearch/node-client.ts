import type * as Elastic from "@elastic/elasticsearch";
import { errorMessage } from "../../core/error.ts";
import type { MixedReply } from "./mixed-reply.ts";
import { replyText } from "./reply-text.ts";
import { Diagnostic, errors, Serializer, Transport, UndiciConnection, WeightedConnectionPool } from "./transport.ts";

export interface NodeClientOptions {
  readonly requestTimeoutMs: number;
  readonly tls: { readonly rejectUnauthorized: boolean; readonly ca?: Buffer };
  readonly auth: { readonly apiKey: string } | { readonly username: string; readonly password: string } | undefined;
}

/** Calls to one node. */
export interface NodeClient {
  readonly transport: Elastic.Transport;
  close(): Promise<void>;
}

/**
 * Opens a client for each node: the official client's transport and connections, put together as the client does, with
 * its retries, sniffing and compression off.
 */
export function openNodeClients(addresses: readonly string[], options: NodeClientOptions): NodeClient[] {
  return addresses.map((address) => {
    const url = new URL(address);
    const auth = options.auth ?? inAddress(url);
    const { tls, requestTimeoutMs: timeout } = options;
    const diagnostic = new Diagnostic();
    const shared = { Connection: BytesConnection, diagnostic, tls, ...(auth === undefined ? {} : { auth }) };
    const pool = new WeightedConnectionPool({ ...shared, resurrectStrategy: "none" });
    pool.addConnection({ url, tls, timeout, ...(auth === undefined ? {} : { auth }) });
    const transport = new Transport({
      ...{ diagnostic, connectionPool: pool, serializer: new ReplySerializer() },
      ...{ maxRetries: 0, requestTimeout: timeout, compression: false, name: "wiretail" },
      headers: { "user-agent": `wiretail (Node.js ${process.versions.node})` },
      productCheck: "Elasticsearch",
      vendoredHeaders: VENDORED_HEADERS,
    });
    return { transport, close: () => pool.empty() };
  });
}

/** Takes replies that were read already as they are. */
class ReplySerializer extends Serializer {
  override deserialize<T = unknown>(reply: string | MixedReply): T {
    return typeof reply === "string" ? super.deserialize<T>(reply) : (reply as T);
  }
}

/** The vendor's connection, made not to make text of what nobody reads (replyText). */
class BytesConnection extends UndiciConnection {
  override request(params: Params, options: Omit<StreamOptions, "asStream">): Promise<WholeReply>;
  override request(params: Params, options: StreamOptions): Promise<StreamReply>;
  override async request(
    params: Params,
    options: Omit<StreamOptions, "asStream"> & { readonly asStream?: true },
  ): Promise<WholeReply | StreamReply> {
    const reply = await super.request(params, { ...options, asStream: true });
    if (options.asStream === true) return reply;
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of reply.body) chunks.push(chunk as Buffer);
    } catch (error) {
      throw new errors.ConnectionError(errorMessage(error));
    }
    // Not asked for; the transport unpacks it all the same.
    const isPacked = reply.headers["content-encoding"] !== undefined;
    // The transport looks at bodies only in the serializer, which is ours.
    return { ...reply, body: isPacked ? Buffer.concat(chunks) : (replyText(chunks) as string) };
  }
}

type Params = Parameters<Elastic.UndiciConnection["request"]>[0];
type StreamOptions = Parameters<Elastic.UndiciConnection["request"]>[1];
type StreamReply = Awaited<ReturnType<Elastic.UndiciConnection["request"]>>;
type WholeReply = Omit<StreamReply, "body"> & { readonly body: string | Buffer };

/** What makes servers of version 9 answer in the ways of version 8, which this client speaks. */
const VENDORED_HEADERS = {
  jsonContentType: "application/vnd.elasticsearch+json; compatible-with=8",
  ndjsonContentType: "application/vnd.elasticsearch+x-ndjson; compatible-with=8",
  accept: "application/vnd.elasticsearch+json; compatible-with=8,text/plain",
};

function inAddress(url: URL): { username: string; password: string } | undefined {
  if (url.username === "") return undefined;
  return { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
}
