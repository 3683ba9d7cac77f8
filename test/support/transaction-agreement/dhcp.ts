import { type DHCP, dashed, first, sameOf, pairsBy, type Document, type Pair, type Row } from "./pairs.ts";

const DHCP_TYPES = ["", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform"];

export function dhcpPairs(rows: readonly Row[]): Pair[] {
  const messages = rows.flatMap((row) => {
    const type = DHCP_TYPES[Number(row["dhcp.option.dhcp"])] ?? "";
    if (type === "") return [];
    const isQuestion = type === "discover" || type === "request";
    const kind = type === "discover" || type === "offer" ? "discover" : "request";
    return [{ key: `${row["dhcp.id"]} ${first(row["dhcp.hw.mac_addr"])} ${kind}`, isQuestion, row }];
  });
  return pairsBy(messages);
}

export function compareDhcp(document: Document, { question, answer }: Pair): void {
  const same = sameOf(document);
  const row = (answer ?? question)!;
  const given = (address: string): string => (address === "0.0.0.0" ? "" : address);
  same("method", DHCP_TYPES[Number(question!["dhcp.option.dhcp"])]!);
  same("dhcpv4.option.message_type", DHCP_TYPES[Number(row["dhcp.option.dhcp"])]!);
  same("dhcpv4.transaction_id", row["dhcp.id"]);
  same("dhcpv4.client_mac", dashed(first(row["dhcp.hw.mac_addr"])));
  same("dhcpv4.seconds", row["dhcp.secs"]);
  same("dhcpv4.hops", row["dhcp.hops"]);
  same("dhcpv4.assigned_ip", given(row["dhcp.ip.your"]));
  same("dhcpv4.server_ip", given(row["dhcp.ip.server"]));
  const either = (field: (typeof DHCP)[number]): string => row[field] || question![field];
  const option = (name: string, field: (typeof DHCP)[number]): void =>
    same(`dhcpv4.option.${name}`, either(field).replaceAll("|", ","));
  option("server_identifier", "dhcp.option.dhcp_server_id");
  option("ip_address_lease_time_sec", "dhcp.option.ip_address_lease_time");
  option("renewal_time_sec", "dhcp.option.renewal_time_value");
  option("rebinding_time_sec", "dhcp.option.rebinding_time_value");
  option("subnet_mask", "dhcp.option.subnet_mask");
  option("broadcast_address", "dhcp.option.broadcast_address");
  option("router", "dhcp.option.router");
  option("dns_servers", "dhcp.option.domain_name_server");
  option("hostname", "dhcp.option.hostname");
  option("requested_ip_address", "dhcp.option.requested_ip_address");
  option("parameter_request_list", "dhcp.option.request_list_item");
  option("class_identifier", "dhcp.option.vendor_class_id");
  option("max_dhcp_message_size", "dhcp.option.dhcp_max_message_size");
}
