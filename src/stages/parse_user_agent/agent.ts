import bowser from "bowser";

/** What is found, by the names of ECS's `user_agent` (`device.type` is ours). */
export const PARTS = ["name", "version", "os.name", "os.version", "os.full", "device.name", "device.type"] as const;

/** What is beyond is not read: clients choose the text, and its length. */
export const MAX_CHARACTERS = 512;

/** The parts of a client's text about itself, in the order of PARTS. Never throws. */
export function agentOf(text: string): readonly (string | undefined)[] {
  if (!/\w/.test(text)) return NOTHING;
  const { browser, os, platform } = bowser.parse(text);
  let [name, version] = [present(browser.name), present(browser.version)];
  // All browsers, and many others, say Mozilla first.
  if (name === undefined || name === "Mozilla") {
    const own = BOT.exec(text) ?? PROGRAM.exec(text);
    const isProgram = own !== null && own[1] !== "Mozilla";
    [name, version] = isProgram ? [own[1], own[2]] : [undefined, undefined];
  }
  const osName = present(os.name);
  const osVersion = present(osName === "Windows" ? (os.versionName ?? os.version) : os.version);
  const device = [platform.vendor, platform.model].filter((part) => present(part) !== undefined).join(" ");
  return [
    ...[name, version, osName, osVersion],
    osName === undefined || osVersion === undefined ? osName : `${osName} ${osVersion}`,
    ...[present(device), BOT.test(text) ? "bot" : present(platform.type)],
  ];
}

/** A word that says that it is one, and its version. */
const BOT = /\b([A-Za-z][A-Za-z-]{0,30}(?:[Bb]ot|[Cc]rawler|[Ss]pider))(?:\/(\d[\d.]{0,30}))?/;
/** A program that begins with its name and version. */
const PROGRAM = /^([A-Za-z][\w.+-]{0,63})(?:\/(\d[\w.+-]{0,63}))?/;
const NOTHING: readonly undefined[] = PARTS.map(() => undefined);

function present(text: string | undefined): string | undefined {
  return text === undefined || text === "" ? undefined : text;
}
