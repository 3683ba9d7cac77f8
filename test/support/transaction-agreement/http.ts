import { HTTP, sameOf, type Document, type Pair, type Row } from "./pairs.ts";

/** The n-th response of a connection is that to its n-th request. */
export function httpPairs(heads: readonly Row[], rows: readonly Row[]): Pair[] {
  const split = (row: Row, field: "http.request.method" | "http.response.code"): Row[] =>
    row[field].split("|").map((_, i) => {
      // Of several messages in one packet, each has its own values; what not all have is not compared.
      const size = row[field].split("|").length;
      const own = HTTP.map((each): [string, string] => {
        const values = row[each].split("|");
        return [each, values.length === size ? values[i]! : ""];
      });
      return { ...row, ...Object.fromEntries(own) };
    });
  const requests = heads
    .filter((row) => row["http.request.method"] !== "")
    .flatMap((row) => split(row, "http.request.method"));
  const responses = (of: readonly Row[]): Map<string, Row[]> => {
    const found = new Map<string, Row[]>();
    for (const row of of) {
      if (row["http.response.code"] === "") continue;
      const all = split(row, "http.response.code").filter((each) => Number(each["http.response.code"]) >= 200);
      found.set(row["tcp.stream"], [...(found.get(row["tcp.stream"]) ?? []), ...all]);
    }
    return found;
  };
  const waiting = responses(rows);
  for (const [stream, begun] of responses(heads)) {
    const whole = waiting.get(stream) ?? [];
    // Where the capture lacks segments tshark shows no response; what it has of it ends with the stream.
    const end = rows.findLast((row) => row["tcp.stream"] === stream && Number(row["tcp.len"]) > 0)!;
    const cut = begun.slice(whole.length).map((row) => ({ ...row, "frame.time_epoch": end["frame.time_epoch"] }));
    waiting.set(stream, [...whole, ...cut]);
  }
  return requests.map((question) => ({ question, answer: waiting.get(question["tcp.stream"])?.shift() }));
}

export function compareHttp(document: Document, { question, answer }: Pair): void {
  const same = sameOf(document);
  same("http.request.method", question!["http.request.method"]);
  same("url.original", question!["http.request.uri"]);
  same("http.version", question!["http.request.version"].replace("HTTP/", ""));
  same("http.request.headers.host", question!["http.host"]);
  if (question!["http.user_agent"] !== "") same("user_agent.original", question!["http.user_agent"]);
  same("http.request.referrer", question!["http.referer"]);
  same("user.name", question!["http.authbasic"].split(":")[0]!);
  same("http.response.status_code", answer?.["http.response.code"] ?? "");
  if (answer === undefined) return;
  same("http.response.status_phrase", answer["http.response.phrase"]);
  same("http.response.headers.server", answer["http.server"]);
}
