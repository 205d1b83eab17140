/** The certificates of tests. */
import { readFileSync } from "node:fs"

const read = (name: string): string => readFileSync(new URL(`./certificates/${name}`, import.meta.url), "utf8")

export const authority = read("ca.pem")
export const server = { cert: read("server.pem"), key: read("server.key") }
export const client = { cert: read("client.pem"), key: read("client.key") }
