import { cipherName } from "../../../src/packet/tls/ciphers.ts";
import { first, sameOf, pairsBy, type Document, type Pair, type Row } from "./pairs.ts";

export function tlsPairs(rows: readonly Row[]): Pair[] {
  const hellos = rows.flatMap((row) => {
    const type = first(row["tls.handshake.type"]);
    return type === "1" || type === "2" ? [{ key: row["tcp.stream"], isQuestion: type === "1", row }] : [];
  });
  return pairsBy(hellos);
}

const TLS_VERSIONS: Readonly<Record<string, string>> = {
  "0x0301": "1.0",
  "0x0302": "1.1",
  "0x0303": "1.2",
  "0x0304": "1.3",
};

export function compareTls(document: Document, { question, answer }: Pair): void {
  const same = sameOf(document);
  same("tls.client.server_name", question!["tls.handshake.extensions_server_name"]);
  same("destination.domain", question!["tls.handshake.extensions_server_name"]);
  same("tls.client.ja3", question!["tls.handshake.ja3"]);
  const details = "tls.detailed.client_hello.extensions";
  const listed = (value: string, of: (each: string) => string): string =>
    value === "" ? "" : value.split("|").map(of).join();
  same(
    `${details}.application_layer_protocol_negotiation`,
    listed(question!["tls.handshake.extensions_alpn_str"], String),
  );
  const versions = question!["tls.handshake.extensions.supported_version"];
  same(
    `${details}.supported_versions`,
    listed(versions, (each) => TLS_VERSIONS[each]!),
  );
  same(
    "tls.client.supported_ciphers",
    listed(question!["tls.handshake.ciphersuite"], (each) => cipherName(Number(each))),
  );
  if (answer === undefined) return;
  const version = answer["tls.handshake.extensions.supported_version"] || first(answer["tls.handshake.version"]);
  same("tls.version", TLS_VERSIONS[version]!);
  same("tls.cipher", cipherName(Number(answer["tls.handshake.ciphersuite"])));
  same("tls.next_protocol", answer["tls.handshake.extensions_alpn_str"]);
  same("tls.server.ja3s", answer["tls.handshake.ja3s"]);
}
