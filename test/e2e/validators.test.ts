import assert from "node:assert/strict";
import { test } from "node:test";
import { components } from "../../src/cli/components.ts";
import { compileSchema } from "../../src/runtime/config/ajv.ts";
import { precompiled, validatedSchemas } from "../../src/runtime/config/precompiled.ts";

test("the build has a validator for every schema of every component, and it finds the same faults as Ajv", () => {
  const values = [{}, { type: "x", include: 5, nodes: [], unknown: true }, "text", 7, null, [], ["a", 1], { a: "b" }];
  for (const schema of validatedSchemas(components)) {
    const built = precompiled(schema);
    assert.ok(built !== undefined, `no validator for ${JSON.stringify(schema).slice(0, 200)}`);
    const compiled = compileSchema(schema);
    for (const value of values) {
      const [one, other] = [structuredClone(value), structuredClone(value)];
      assert.equal(built(one), compiled(other));
      assert.deepEqual(built.errors, compiled.errors);
      assert.deepEqual(one, other, "defaults");
    }
  }
});
