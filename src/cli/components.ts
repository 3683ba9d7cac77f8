import { local } from "../sinks/local/index.ts";
import type { ComponentLists } from "../runtime/config/load.ts";
import { cloudwatchLogs } from "../sinks/cloudwatch_logs/index.ts";
import { elasticsearch } from "../sinks/elasticsearch/index.ts";
import { file as fileSink } from "../sinks/file/index.ts";
import { stdout } from "../sinks/stdout/index.ts";
import { command } from "../sources/command/index.ts";
import { file as fileSource } from "../sources/file/index.ts";
import { packet } from "../sources/packet/index.ts";
import { stdin } from "../sources/stdin/index.ts";
import { communityId } from "../stages/community_id/index.ts";
import { convert } from "../stages/convert/index.ts";
import { copy } from "../stages/copy/index.ts";
import { dedupe } from "../stages/dedupe/index.ts";
import { dropFields } from "../stages/drop_fields/index.ts";
import { filter } from "../stages/filter/index.ts";
import { parseW3c } from "../stages/parse_w3c/index.ts";
import { parseCef } from "../stages/parse_cef/index.ts";
import { parseCsv } from "../stages/parse_csv/index.ts";
import { parseDissect } from "../stages/parse_dissect/index.ts";
import { parseGrok } from "../stages/parse_grok/index.ts";
import { flatten } from "../stages/flatten/index.ts";
import { keepFields } from "../stages/keep_fields/index.ts";
import { lookup } from "../stages/lookup/index.ts";
import { parseJson } from "../stages/parse_json/index.ts";
import { parseKv } from "../stages/parse_kv/index.ts";
import { parseNginx } from "../stages/parse_nginx/index.ts";
import { parseRegex } from "../stages/parse_regex/index.ts";
import { parseSyslog } from "../stages/parse_syslog/index.ts";
import { parseTimestamp } from "../stages/parse_timestamp/index.ts";
import { redact } from "../stages/redact/index.ts";
import { parseTshark } from "../stages/parse_tshark/index.ts";
import { parseUrl } from "../stages/parse_url/index.ts";
import { parseUserAgent } from "../stages/parse_user_agent/index.ts";
import { remove } from "../stages/remove/index.ts";
import { rename } from "../stages/rename/index.ts";
import { join } from "../stages/join/index.ts";
import { rollup } from "../stages/rollup/index.ts";
import { route } from "../stages/route/index.ts";
import { sample } from "../stages/sample/index.ts";
import { set } from "../stages/set/index.ts";
import { split } from "../stages/split/index.ts";
import { throttle } from "../stages/throttle/index.ts";

/** Every component there is: the one list. To add one, write its folder and put it here. */
export const components: ComponentLists = {
  sources: [fileSource, stdin, command, packet],
  stages: [
    ...[parseRegex, parseJson, parseKv, parseCsv, parseDissect, parseSyslog, parseGrok, parseCef, parseW3c, parseUrl],
    parseTshark,
    ...[
      parseNginx,
      parseUserAgent,
      parseTimestamp,
      set,
      copy,
      rename,
      remove,
      dropFields,
      keepFields,
      flatten,
      convert,
    ],
    ...[lookup, communityId, redact, filter, sample, throttle, dedupe, route, split, rollup, join],
  ],
  sinks: [elasticsearch, cloudwatchLogs, local, fileSink, stdout],
};
