import { DNS_TYPES, dnsClassName, dnsHeaderFlags, dnsTypeName } from "../dns-names.ts";
import type { Layer } from "./layers.ts";
import { given, intOf, noneIsUndefined } from "./values.ts";

/** More answers than these are counted, but not shown. */
const MAX_ANSWERS = 128;
/** Where tshark puts what records of these types say. */
const DATA: Readonly<Record<string, readonly string[]>> = {
  A: ["dns_a"],
  AAAA: ["dns_aaaa"],
  CNAME: ["dns_cname"],
  DNAME: ["dns_dname"],
  NS: ["dns_ns"],
  PTR: ["dns_ptr_domain_name"],
  MX: ["dns_mx_preference", "dns_mx_mail_exchange"],
  SRV: ["dns_srv_priority", "dns_srv_weight", "dns_srv_port", "dns_srv_target"],
};

/** What tshark says of a DNS message, under the names of `dns` (docs/packets.md). */
export function dnsFields(layer: Layer): Record<string, unknown> | undefined {
  const flags = intOf(layer.first("dns_flags"));
  if (flags === undefined) return undefined;
  const number = (name: string): number | undefined => intOf(layer.first(name));
  const name = layer.first("dns_qry_name");
  const question = given({
    name: name === undefined ? undefined : domain(name),
    type: typeName(layer.first("dns_qry_type")),
    class: className(layer.first("dns_qry_class")),
  });
  const answers = answersOf(layer, number("dns_count_answers") ?? 0);
  const addresses = answers.filter(({ type }) => type === "A" || type === "AAAA").map(({ data }) => data);
  return given({
    id: number("dns_id"),
    ...dnsHeaderFlags(flags),
    question,
    answers: noneIsUndefined(answers),
    resolved_ip: noneIsUndefined(addresses.filter((each) => each !== undefined)),
    questions_count: number("dns_count_queries"),
    answers_count: number("dns_count_answers"),
    authorities_count: number("dns_count_auth_rr"),
    additionals_count: number("dns_count_add_rr"),
  });
}

/** Answers come first of all records. Each takes the next of the values that its type has. */
function answersOf(layer: Layer, count: number): { type: string | undefined; data: string | undefined }[] {
  const names = layer.all("dns_resp_name").slice(0, Math.min(count, MAX_ANSWERS));
  const taken = new Map<string, number>();
  const next = (field: string): string | undefined => {
    const at = taken.get(field) ?? 0;
    taken.set(field, at + 1);
    return layer.all(field)[at];
  };
  return names.map((name, i) => {
    const type = typeName(layer.all("dns_resp_type")[i]);
    const parts = (DATA[type ?? ""] ?? []).map((field, k, all) => {
      const value = next(field);
      return k === all.length - 1 && type !== "A" && type !== "AAAA" && value !== undefined ? domain(value) : value;
    });
    // A record of texts is several of tshark's: with one such record alone it is known which are its.
    const isText = (type === "TXT" || type === "SPF") && names.length === 1;
    const texts = isText ? layer.all(type === "TXT" ? "dns_txt" : "dns_spf") : [];
    const data = isText ? texts : parts;
    const isWhole = data.length > 0 && data.every((part) => part !== undefined);
    return given({
      name: domain(name),
      type,
      class: className(layer.all("dns_resp_class")[i]),
      ttl: intOf(layer.all("dns_resp_ttl")[i]),
      data: isWhole ? data.join(" ") : undefined,
    }) as { type: string | undefined; data: string | undefined };
  });
}

/** tshark calls the root so. */
function domain(name: string): string {
  return name === "<Root>" ? "." : name;
}

function typeName(text: string | undefined): string | undefined {
  const type = intOf(text);
  if (type !== undefined) return dnsTypeName(type);
  // Some versions write names.
  return text !== undefined && Object.values(DNS_TYPES).includes(text) ? text : undefined;
}

function className(text: string | undefined): string | undefined {
  const value = intOf(text);
  return value === undefined ? undefined : dnsClassName(value);
}
