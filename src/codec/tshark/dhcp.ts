import { ecsMac, given, intOf, noneIsUndefined } from "./values.ts";
import type { Layer } from "./layers.ts";

const MESSAGE_TYPES = [
  ...["", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform", "forcerenew"],
  ...["leasequery", "leaseunassigned", "leaseunknown", "leaseactive"],
];

/** What tshark says of a DHCP message, under the names of `dhcpv4` (docs/packets.md). */
export function dhcpFields(layer: Layer): Record<string, unknown> | undefined {
  const operation = layer.first("dhcp_type");
  if (operation === undefined) return undefined;
  const hardware = intOf(layer.first("dhcp_hw_type"));
  const list = (name: string): readonly string[] | undefined => noneIsUndefined(layer.all(name));
  const number = (name: string): number | undefined => intOf(layer.first(name));
  const text = (name: string): string | undefined => layer.first(name) || undefined;
  const type = number("dhcp_option_dhcp");
  const items = layer.all("dhcp_option_request_list_item").map(Number);
  const option = given({
    message_type: type === undefined ? undefined : MESSAGE_TYPES[type] || String(type),
    parameter_request_list: items.length === 0 ? undefined : items,
    requested_ip_address: text("dhcp_option_requested_ip_address"),
    server_identifier: text("dhcp_option_dhcp_server_id"),
    subnet_mask: text("dhcp_option_subnet_mask"),
    broadcast_address: text("dhcp_option_broadcast_address"),
    router: list("dhcp_option_router"),
    dns_servers: list("dhcp_option_domain_name_server"),
    ntp_servers: list("dhcp_option_ntp_server"),
    hostname: text("dhcp_option_hostname"),
    domain_name: text("dhcp_option_domain_name"),
    message: text("dhcp_option_message"),
    class_identifier: text("dhcp_option_vendor_class_id"),
    max_dhcp_message_size: number("dhcp_option_dhcp_max_message_size"),
    ip_address_lease_time_sec: number("dhcp_option_ip_address_lease_time"),
    renewal_time_sec: number("dhcp_option_renewal_time_value"),
    rebinding_time_sec: number("dhcp_option_rebinding_time_value"),
  });
  const address = (name: string): string | undefined => {
    const found = layer.first(name);
    return found === "0.0.0.0" ? undefined : found;
  };
  return given({
    op_code: operation === "1" ? "bootrequest" : operation === "2" ? "bootreply" : operation,
    hardware_type: hardware === 1 ? "Ethernet" : hardware === undefined ? undefined : String(hardware),
    hops: number("dhcp_hops"),
    transaction_id: layer.first("dhcp_id"),
    seconds: number("dhcp_secs"),
    flags: ((number("dhcp_flags") ?? 0) & 0x8000) !== 0 ? "broadcast" : "unicast",
    client_mac: ecsMac(layer.first("dhcp_hw_mac_addr")),
    client_ip: address("dhcp_ip_client"),
    assigned_ip: address("dhcp_ip_your"),
    server_ip: address("dhcp_ip_server"),
    relay_ip: address("dhcp_ip_relay"),
    server_name: text("dhcp_server"),
    boot_file_name: text("dhcp_file"),
    option,
  });
}
