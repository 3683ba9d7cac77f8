import assert from "node:assert/strict";
import { it } from "node:test";
import { ja3, ja3Text, ja4 } from "../../../../src/packet/tls/fingerprint.ts";
import type { Hello } from "../../../../src/packet/tls/hello.ts";

const hex = (text: string): number[] => text.split(",").map((each) => parseInt(each, 16));

function hello(fields: Partial<Hello>): Hello {
  return {
    ...{ isClient: true, version: 0x0303, versions: [0x3a3a, 0x0304, 0x0303], serverName: "a.test" },
    ...{ ciphers: [], extensions: [], groups: [], pointFormats: [], signatureAlgorithms: [] },
    ...{ alpn: [Buffer.from("h2"), Buffer.from("http/1.1")], sessionId: Buffer.alloc(0) },
    ...{ hasPreSharedKey: false, isRetry: false },
    ...fields,
  };
}

const CIPHERS = "1a1a,1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035";

it("JA4 is that of the examples in its specification", () => {
  const fields = {
    ciphers: hex(CIPHERS),
    extensions: hex("7a7a,001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"),
    signatureAlgorithms: hex("0403,0804,0401,0503,0805,0501,0806,0601"),
  };
  assert.equal(ja4(hello(fields)), "t13d1516h2_8daaf6152771_e5627efa2ab1");
  const strange = hello({ ...fields, alpn: [Buffer.from([0x9a, 0x41, 0x99])] });
  assert.equal(ja4(strange), "t13d151699_8daaf6152771_e5627efa2ab1");
});

it("JA3 and JA4 are those that a public test site tells of a Chrome browser", () => {
  const chrome = hello({
    ciphers: hex(CIPHERS),
    extensions: hex("002d,0033,0010,fe0d,0017,44cd,0000,000b,000a,002b,ff01,0023,0012,0005,000d,001b"),
    signatureAlgorithms: hex("0403,0804,0401,0503,0805,0501,0806,0601"),
    groups: [0x2a2a, 4588, 29, 23, 24],
    pointFormats: [0],
  });
  assert.equal(ja4(chrome), "t13d1516h2_8daaf6152771_d8a2da3f94cd");
  assert.equal(
    ja3Text(chrome),
    "771,4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53,45-51-16-65037-23-17613-0-11-10-43-65281-35-18-5-13-27,4588-29-23-24,0",
  );
  assert.equal(ja3(chrome), "98487aa16281980e7d1120d399efb6a4");
});

it("JA4 of a client that says nearly nothing has zeros for what is not there", () => {
  const bare = hello({ versions: [], alpn: [], ciphers: [0x002f] });
  assert.match(ja4(bare), /^t12i010000_[0-9a-f]{12}_000000000000$/);
});
