import { cipherName } from "./ciphers.ts";
import { ja3, ja3s, ja4 } from "./fingerprint.ts";
import { type Hello, isGrease } from "./hello.ts";

/** What ECS has under `tls` of a ClientHello and a ServerHello. */
export interface TlsFields {
  readonly version: string | undefined;
  readonly version_protocol: string | undefined;
  readonly cipher: string | undefined;
  readonly next_protocol: string | undefined;
  readonly established?: boolean;
  readonly resumed?: boolean;
  readonly client: TlsClientFields | undefined;
  readonly server: { readonly ja3s: string } | undefined;
  readonly detailed: unknown;
}

interface TlsClientFields {
  readonly server_name: string | undefined;
  readonly ja3: string;
  readonly ja4: string;
  readonly supported_ciphers: readonly string[];
}

const VERSIONS: Readonly<Record<number, string>> = {
  ...{ 0x0300: "3.0", 0x0301: "1.0", 0x0302: "1.1", 0x0303: "1.2", 0x0304: "1.3" },
};
/** More ciphers, ALPN names and versions of a client than these are not told. */
const MAX_TOLD = 128;

/** `version`, `cipher` and so on are the server's choice, and absent without it. */
export function tlsFields(client: Hello | undefined, server: Hello | undefined): TlsFields {
  const chosen = server === undefined ? undefined : (server.versions[0] ?? server.version);
  return {
    version: chosen === undefined ? undefined : versionText(chosen),
    version_protocol: chosen === undefined ? undefined : chosen === 0x0300 ? "ssl" : "tls",
    cipher: server === undefined ? undefined : cipherName(server.ciphers[0]!),
    next_protocol: server?.alpn[0] === undefined ? undefined : protocolText(server.alpn[0]),
    client: client === undefined ? undefined : clientFields(client),
    server: server === undefined ? undefined : { ja3s: ja3s(server) },
    detailed: client === undefined ? undefined : detailsOf(client),
  };
}

/** Whether a server agreed to go on with an earlier session. */
export function isResumed(client: Hello | undefined, server: Hello): boolean {
  // In TLS 1.3 servers give the session id back in any case.
  if (server.versions.length > 0) return server.hasPreSharedKey;
  return (
    client !== undefined && client.sessionId.length > 0 && Buffer.compare(client.sessionId, server.sessionId) === 0
  );
}

function clientFields(client: Hello): TlsClientFields {
  return {
    server_name: client.serverName,
    ja3: ja3(client),
    ja4: ja4(client),
    supported_ciphers: client.ciphers.filter(isMeant).slice(0, MAX_TOLD).map(cipherName),
  };
}

/** As Packetbeat names them. */
function detailsOf(client: Hello): unknown {
  const versions = client.versions.filter(isMeant).slice(0, MAX_TOLD).map(versionText);
  const protocols = client.alpn
    .filter((name) => name.length !== 2 || !isGrease((name[0]! << 8) | name[1]!))
    .slice(0, MAX_TOLD)
    .map(protocolText);
  if (versions.length === 0 && protocols.length === 0) return undefined;
  return {
    client_hello: {
      extensions: {
        application_layer_protocol_negotiation: protocols.length === 0 ? undefined : protocols,
        supported_versions: versions.length === 0 ? undefined : versions,
      },
    },
  };
}

function isMeant(value: number): boolean {
  return !isGrease(value);
}

function versionText(version: number): string {
  return VERSIONS[version] ?? `0x${version.toString(16).padStart(4, "0")}`;
}

function protocolText(name: Uint8Array): string {
  return Buffer.from(name).toString("latin1");
}
