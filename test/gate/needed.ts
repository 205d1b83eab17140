/** Programs that some tests need and not every machine has. */
import { accessSync, constants } from "node:fs"
import { delimiter, isAbsolute, join } from "node:path"

export interface Needed {
  readonly name: string
  /** What it may be called on PATH, or where it may be, the preferred first. */
  readonly programs: ReadonlyArray<string>
  /** The environment variable that names one. */
  readonly variable: string
  /** How to get it. */
  readonly remedy: string
}

export const redis: Needed = {
  name: "redis-server",
  programs: ["redis-server"],
  variable: "REDIS_SERVER",
  remedy: "apt-get install redis-server, or brew install redis"
}

export const chromium: Needed = {
  name: "chromium",
  programs: ["chromium", "chromium-browser", "google-chrome"],
  variable: "CHROMIUM",
  remedy: "apt-get install chromium"
}

export const firefox: Needed = {
  name: "firefox",
  programs: ["firefox-esr", "firefox"],
  variable: "FIREFOX",
  remedy: "apt-get install firefox-esr"
}

export const faketime: Needed = {
  name: "faketime",
  programs: ["faketime"],
  variable: "FAKETIME_PROGRAM",
  remedy: "apt-get install faketime"
}

export const mosquitto: Needed = {
  name: "mosquitto",
  // Debian has it where only root's PATH leads.
  programs: ["mosquitto", "/usr/sbin/mosquitto"],
  variable: "MOSQUITTO",
  remedy: "apt-get install mosquitto, or brew install mosquitto"
}

export const all: ReadonlyArray<Needed> = [redis, chromium, firefox, faketime, mosquitto]

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The one that its variable names, or else the first on PATH; `undefined` where there is none. */
export const find = ({ programs, variable }: Needed): string | undefined => {
  const { PATH = "", [variable]: named } = process.env
  if (named !== undefined && named !== "") return isProgram(named) ? named : undefined
  const directories = PATH.split(delimiter).filter((directory) => directory !== "")
  return programs
    .flatMap((program) => (isAbsolute(program) ? [program] : directories.map((directory) => join(directory, program))))
    .find(isProgram)
}
