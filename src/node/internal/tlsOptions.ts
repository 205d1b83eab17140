/** Certificates and keys, as the options of either end: looked at where they are given. */
import { X509Certificate } from "node:crypto"
import * as Tls from "node:tls"
import * as Effect from "effect/Effect"
import { InvalidOption } from "../../protocol/ConnectionError.js"

/** A text in PEM, or the bytes of a file with it. */
export type Pem = string | Uint8Array

/**
 * The certificate of a server.
 */
export interface ServerTls {
  /** The certificate, with those that lead to an authority. */
  readonly cert: Pem
  readonly key: Pem
  /** Of the key, where it is encrypted. */
  readonly passphrase?: string | undefined
  /** Asks clients for a certificate that one of these authorities has signed, and drops those without. */
  readonly clientCa?: Pem | ReadonlyArray<Pem> | undefined
}

/** The certificates of an end that dials. */
export interface ClientTls {
  /** Authorities that are believed, in place of those that Node knows. */
  readonly ca?: Pem | ReadonlyArray<Pem> | undefined
  /** The certificate that it shows a server which asks for one. */
  readonly cert?: Pem | undefined
  readonly key?: Pem | undefined
  /** Of the key, where it is encrypted. */
  readonly passphrase?: string | undefined
}

const bytesOf = (pem: Pem): string | Buffer => (typeof pem === "string" ? pem : Buffer.from(pem))

const listOf = (pems: Pem | ReadonlyArray<Pem>): Array<string | Buffer> =>
  (typeof pems === "string" || pems instanceof Uint8Array ? [pems] : pems).map(bytesOf)

const refused = (option: string, rule: string) => new InvalidOption({ option, value: "given", rule })

/** OpenSSL passes over authorities that are none. */
const authorities = (
  option: string,
  pems: Pem | ReadonlyArray<Pem>
): Effect.Effect<Array<string | Buffer>, InvalidOption> =>
  Effect.try({
    try: () => {
      const all = listOf(pems)
      for (const pem of all) new X509Certificate(pem)
      return all
    },
    catch: (cause) => refused(option, `certificates of authorities in PEM: ${(cause as Error).message}`)
  })

/** OpenSSL judges them as it would be when they are used; its reason shows nothing of a key. */
const judged = <A extends Tls.SecureContextOptions>(option: string, options: A): Effect.Effect<A, InvalidOption> =>
  Effect.try({
    try: () => {
      Tls.createSecureContext(options)
      return options
    },
    catch: (cause) => refused(option, `certificates and keys in PEM that fit each other: ${(cause as Error).message}`)
  })

export const ofServer = ({ cert, clientCa, key, passphrase }: ServerTls) =>
  Effect.gen(function* () {
    const asking =
      clientCa === undefined
        ? {}
        : { ca: yield* authorities("tls", clientCa), requestCert: true, rejectUnauthorized: true }
    return yield* judged("tls", {
      cert: bytesOf(cert),
      key: bytesOf(key),
      ...(passphrase === undefined ? {} : { passphrase }),
      ...asking
    })
  })

export const ofClient = ({
  ca,
  cert,
  key,
  passphrase
}: ClientTls): Effect.Effect<Tls.SecureContextOptions, InvalidOption> =>
  Effect.gen(function* () {
    if (cert !== undefined && key === undefined) return yield* refused("cert", "given with its `key`")
    if (key !== undefined && cert === undefined) return yield* refused("key", "given with its `cert`")
    if (passphrase !== undefined && key === undefined) {
      return yield* refused("passphrase", "given with the `key` that it is of")
    }
    return yield* judged("cert", {
      ...(ca === undefined ? {} : { ca: yield* authorities("ca", ca) }),
      ...(cert === undefined ? {} : { cert: bytesOf(cert) }),
      ...(key === undefined ? {} : { key: bytesOf(key) }),
      ...(passphrase === undefined ? {} : { passphrase })
    })
  })
