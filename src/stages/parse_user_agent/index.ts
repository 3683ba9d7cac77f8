import { defineStage } from "../../core/component.ts";
import { t } from "../../core/schema.ts";
import { BoundedMap } from "../bounded-map.ts";
import { TextParts, type TakeApart } from "../text-parts.ts";
import { agentOf, MAX_CHARACTERS, PARTS } from "./agent.ts";

const schema = t.object({
  field: t.string({
    default: "user_agent.original",
    description: "Field that holds the text that a client says of itself.",
    "x-syntax": "field",
  }),
  target: t.string({
    default: "user_agent",
    description: "Field whose members the parts become: `user_agent.name`, `user_agent.os.name` and so on.",
    "x-syntax": "field",
  }),
  keep_field: t.boolean({ default: true, description: "Leave the field that was read in the event." }),
  cache_entries: t.integer({
    default: 10_000,
    minimum: 1,
    description: "Texts whose parts are remembered, about 1,000 bytes each: reading one takes many times longer.",
  }),
});

/** Remembers the parts of the last texts. */
function takeAgentsApart(cacheEntries: number): TakeApart {
  const cache = new BoundedMap<readonly (string | undefined)[]>(cacheEntries);
  return (text, found) => {
    const known = text.slice(0, MAX_CHARACTERS);
    let parts = cache.get(known);
    if (parts === undefined) cache.set(known, (parts = agentOf(known)));
    for (let i = 0; i < PARTS.length; i++) found[i] = parts[i];
    return undefined;
  };
}

/** Says which program a client is. */
export const parseUserAgent = defineStage({
  type: "parse_user_agent",
  summary: "Reads the browser, system and device out of what a client says of itself",
  description: [
    "Gives `user_agent.name`, `version`, `os.name`, `os.version`, `os.full`, `device.name` (vendor and model) and `device.type` (`desktop`, `mobile`, `tablet`, `tv` or `bot`), those that the text tells. The recognition is that of the library bowser.",
    "Programs that it does not know, such as `curl/8.5.0`, get the name and version that they begin with. A text that says nothing gives no field. Of longer ones the first 512 characters are read.",
    "",
    "What clients say can be false, and browsers tell less and less: versions of systems are often frozen.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "A browser, a bot, and a program",
      options: {},
      input: [
        {
          user_agent: {
            original:
              "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
          },
        },
        { user_agent: { original: "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)" } },
        { user_agent: { original: "curl/8.5.0" } },
        { user_agent: { original: "-" } },
      ],
      output: [
        {
          "user_agent.name": "Safari",
          "user_agent.version": "17.5",
          "user_agent.os.name": "iOS",
          "user_agent.os.full": "iOS 17.5",
          "user_agent.device.name": "Apple iPhone",
          "user_agent.device.type": "mobile",
        },
        { "user_agent.name": "Googlebot", "user_agent.version": "2.1", "user_agent.device.type": "bot" },
        { "user_agent.name": "curl", "user_agent.version": "8.5.0", "user_agent.original": "curl/8.5.0" },
        { "user_agent.name": null, "user_agent.original": "-" },
      ],
    },
  ],
  create: (options) => new TextParts(options, PARTS, takeAgentsApart(options.cache_entries)),
});
