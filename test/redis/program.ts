/** Where redis-server is. */
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The one that REDIS_SERVER names, or else the first on PATH; `undefined` where there is none. */
export const program = (): string | undefined => {
  const { PATH = "", REDIS_SERVER } = process.env
  if (REDIS_SERVER !== undefined && REDIS_SERVER !== "") return isProgram(REDIS_SERVER) ? REDIS_SERVER : undefined
  return PATH.split(delimiter)
    .filter((directory) => directory !== "")
    .map((directory) => join(directory, "redis-server"))
    .find(isProgram)
}
