/** How long each fuzz test looks for what breaks it: a few seconds in `npm test`, longer in `npm run fuzz`. */
export const FUZZ_MS = Number(process.env["WIRETAIL_FUZZ_SECONDS"] ?? 3) * 1000;

const frames = process.env["WIRETAIL_FUZZ_FRAMES"];
/** How many frames are tried instead, where that is said. */
export const FUZZ_FRAMES = frames === undefined ? undefined : Number(frames);
