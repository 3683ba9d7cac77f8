import { Path } from "../core/path.ts";

/** Paths by name, so that names found in events do not cost a new Path each time. Bounded. */
export class PathCache {
  readonly #paths = new Map<string, Path>();

  get(name: string): Path {
    let path = this.#paths.get(name);
    if (path === undefined) {
      path = new Path(name);
      if (this.#paths.size < MAX_PATHS) this.#paths.set(name, path);
    }
    return path;
  }
}

const MAX_PATHS = 4096;
