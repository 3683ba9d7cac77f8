import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { AT_F64, FlowTable, KEY_VERSION_6 } from "../../../../src/packet/flows/flow-table.ts";

const CAPACITY = 12;

it("finds, in either direction, the flows that were added and not removed, and no others", () => {
  const tuple = fc.tuple(
    fc.integer({ min: -3, max: 3 }),
    fc.integer({ min: -3, max: 3 }),
    fc.nat({ max: 2 }),
    fc.nat({ max: 2 }),
    fc.boolean(),
  );
  const step = fc.tuple(fc.constantFrom("packet", "packet", "remove"), tuple);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer(), (steps, seed) => {
      const table = new FlowTable(CAPACITY, seed);
      const model = new Map<string, number>();
      let now = 0;
      for (const [what, [a, b, portA, portB, isVersion6]] of steps) {
        const key = (17 << 22) | (isVersion6 ? KEY_VERSION_6 : 0);
        // Addresses that differ in their last words only are told apart, too.
        table.addresses.set([0, 0, 0, a, 0, 0, 0, b]);
        const [source, destination] = isVersion6 ? [a & 1, b & 1] : [a, b];
        const ports = (portA << 16) | portB;
        const name = [`${a} ${portA}`, `${b} ${portB}`].sort().join() + String(isVersion6);
        const flow = table.find(source, destination, ports, key);
        assert.equal(flow >= 0 ? flow : undefined, model.get(name), name);
        if (flow >= 0) {
          const isForward = table.f64[table.at(flow) / 2 + AT_F64.begin] === a * 10 + portA;
          assert.equal(table.isReverse, !isForward);
          if (what === "remove") {
            table.remove(flow);
            model.delete(name);
          }
        } else if (table.count < table.capacity) {
          const added = table.add(source, destination, ports, key, false);
          table.seen[added] = now++;
          table.f64[table.at(added) / 2 + AT_F64.begin] = a * 10 + portA;
          model.set(name, added);
        } else {
          const oldest = table.oldest();
          assert.equal(table.seen[oldest], Math.min(...table.seen));
          table.remove(oldest);
          for (const [each, number] of model) if (number === oldest) model.delete(each);
        }
        assert.equal(table.count, model.size);
      }
    }),
    { numRuns: 300 },
  );
});
