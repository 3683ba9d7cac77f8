import assert from "node:assert/strict";
import { it } from "node:test";
import { decodeDhcp } from "../../../../src/packet/dhcp/message.ts";
import { address, join, mac, u16, u32, u8 } from "../../../support/frames.ts";

const field = (bytes: Uint8Array, size: number): Buffer => join(bytes, Buffer.alloc(size - bytes.length));

function message(options: Uint8Array, names: { server?: Uint8Array; file?: Uint8Array } = {}): Buffer {
  return join(
    ...[u8(2, 1, 6, 1), u32(0xdeadbeef), u16(3, 0x8000), u32(0), address("10.0.0.50"), u32(0), address("10.0.0.1")],
    ...[field(mac("02:00:00:00:00:0a"), 16), field(names.server ?? u8(), 64), field(names.file ?? u8(), 128)],
    ...[u32(0x63825363), options],
  );
}
const option = (code: number, value: Uint8Array): Buffer => join([code, value.length], value);
const decode = (bytes: Buffer): ReturnType<typeof decodeDhcp> => decodeDhcp(join([9], bytes, [9]), 1, 1 + bytes.length);

it("a DHCP answer has its addresses and options", () => {
  const options = join(
    ...[option(53, u8(5)), [0, 0], option(54, address("10.0.0.1")), option(51, u32(3600)), option(58, u32(1800))],
    ...[option(1, address("255.255.255.0")), option(3, address("10.0.0.1")), option(15, Buffer.from("example.org"))],
    ...[option(6, join(address("10.0.0.1"), address("10.0.0.2"))), option(55, u8(1, 3)), option(57, u16(1500)), [255]],
    ...[Buffer.alloc(20, 7)],
  );
  assert.deepEqual(decode(message(options, { server: Buffer.from("boot"), file: Buffer.from("pxe.0") })), {
    ...{ op_code: "bootreply", hardware_type: "Ethernet", hops: 1, transaction_id: "0xdeadbeef", seconds: 3 },
    ...{ flags: "broadcast", client_mac: "02-00-00-00-00-0A", client_ip: undefined, assigned_ip: "10.0.0.50" },
    ...{ server_ip: undefined, relay_ip: "10.0.0.1", server_name: "boot", boot_file_name: "pxe.0" },
    option: {
      ...{
        message_type: "ack",
        server_identifier: "10.0.0.1",
        ip_address_lease_time_sec: 3600,
        renewal_time_sec: 1800,
      },
      ...{ subnet_mask: "255.255.255.0", router: ["10.0.0.1"], domain_name: "example.org" },
      ...{ dns_servers: ["10.0.0.1", "10.0.0.2"], parameter_request_list: [1, 3], max_dhcp_message_size: 1500 },
    },
  });
});

it("options may be in the fields for names", () => {
  const inFile = join(option(12, Buffer.from("host")), [255]);
  const found = decode(message(join(option(52, u8(1)), option(53, u8(1)), [255]), { file: inFile }));
  assert.deepEqual([found!.option, found!.boot_file_name], [{ message_type: "discover", hostname: "host" }, undefined]);
});

it("a message that is cut, or whose options do not fit, is malformed", () => {
  const whole = message(join(option(53, u8(1)), [255]));
  for (let length = 0; length < 236; length++) assert.equal(decode(whole.subarray(0, length)), undefined);
  assert.equal(decode(message(u8(53, 9, 1))), undefined);
  assert.equal(decode(message(u8(53))), undefined);
  assert.equal(decode(Buffer.alloc(300, 7)), undefined);
});

it("BOOTP without options has its fields", () => {
  const bytes = message(u8()).subarray(0, 236);
  assert.deepEqual([decode(bytes)!.assigned_ip, decode(bytes)!.option], ["10.0.0.50", undefined]);
});
