import { Reader } from "mmdb-lib";
import type { Response } from "mmdb-lib/lib/reader/response.js";
import { isIp } from "../../codec/ip.ts";
import { errorMessage, WiretailError } from "../../core/error.ts";
import { getIn } from "../../core/path.ts";
import { BoundedMap } from "../bounded-map.ts";
import type { KeyIndex } from "./key-index.ts";

type Values = Readonly<Record<string, unknown>>;

/**
 * What a MaxMind database (MaxMind DB file format 2.0) says of addresses: its records as they are, and beside them `geo`
 * and `as` with the field names of ECS. Throws WT_CONFIG_INVALID for bytes that are no such database.
 */
export function readMmdb(bytes: Buffer): KeyIndex<Values> {
  let reader: Reader<Response>;
  try {
    reader = new Reader<Response>(bytes);
    if (reader.metadata.nodeCount < 1) throw new Error("it has no nodes");
    reader.get("192.0.2.1");
  } catch (error) {
    throw new WiretailError("WT_CONFIG_INVALID", `it is no MaxMind database: ${errorMessage(error)}`, { cause: error });
  }
  const known = new BoundedMap<readonly Values[]>(MAX_KNOWN);
  return {
    skipped: 0,
    find: (value) => {
      let rows = known.get(value);
      if (rows === undefined) {
        if (!isIp(value)) return undefined;
        known.set(value, (rows = lookUp(reader, value)));
      }
      return rows.length === 0 ? undefined : rows;
    },
  };
}

const MAX_KNOWN = 10_000;
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

function lookUp(reader: Reader<Response>, address: string): readonly Values[] {
  let record: unknown;
  try {
    record = reader.get(MAPPED.exec(address)?.[1] ?? address);
  } catch {
    // A damaged record, or an address that the database is not for (IPv6 in one of IPv4).
    return [];
  }
  if (typeof record !== "object" || record === null || Array.isArray(record)) return [];
  const own = record as Values;
  const [geo, as] = [geoOf(own), asOf(own)];
  return [{ ...own, ...(geo === undefined ? {} : { geo }), ...(as === undefined ? {} : { as }) }];
}

/** ECS `geo.*`, of the City and Country databases. */
function geoOf(record: Values): Values | undefined {
  const at = (name: string): unknown => getIn(record, name.split("."), 0);
  const subdivisions = at("subdivisions");
  const region: unknown = Array.isArray(subdivisions) ? subdivisions[0] : undefined;
  const country = at("country.iso_code");
  const regionCode = getIn(region, ["iso_code"], 0);
  const [lat, lon] = [at("location.latitude"), at("location.longitude")];
  return present({
    continent_code: at("continent.code"),
    continent_name: at("continent.names.en"),
    country_iso_code: country,
    country_name: at("country.names.en"),
    region_iso_code:
      typeof country === "string" && typeof regionCode === "string" ? `${country}-${regionCode}` : undefined,
    region_name: getIn(region, ["names", "en"], 0),
    city_name: at("city.names.en"),
    postal_code: at("postal.code"),
    timezone: at("location.time_zone"),
    location: typeof lat === "number" && typeof lon === "number" ? { lat, lon } : undefined,
  });
}

/** ECS `as.*`, of the ASN and ISP databases. */
function asOf(record: Values): Values | undefined {
  const name = record["autonomous_system_organization"];
  return present({
    number: record["autonomous_system_number"],
    organization: name === undefined ? undefined : { name },
  });
}

function present(fields: Record<string, unknown>): Values | undefined {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
