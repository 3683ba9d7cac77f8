import { createHash } from "node:crypto";

/** What a sink keeps stays with it when it is called differently: calls that it made may still be at work. */
export function sinkFolder(config: {
  readonly definition: { readonly type: string };
  readonly identity: string;
}): string {
  return `${config.definition.type}-${config.identity}`;
}

/** Names may hold anything; a folder's name may not. */
export function sourceFolder(name: string): string {
  return /^[\w-]{1,64}$/.test(name) ? name : createHash("sha256").update(name).digest("hex").slice(0, 32);
}
