/** Asks the gateway; every failure is an Error whose message can be shown. */
import type { Failure } from "../model.js"

const failureOf = async (response: Response): Promise<string> => {
  if (response.status === 401) return "the inspector asks for its password again: reload the page"
  const said = await response.json().then(
    (body: Partial<Failure>) => body.error,
    () => undefined
  )
  return said ?? `the gateway answered ${response.status}`
}

const ask = async <A>(path: string, init: RequestInit): Promise<A> => {
  const response = await fetch(new URL(`api/${path}`, document.baseURI), init).catch((cause: unknown) => {
    if (init.signal?.aborted) throw cause
    throw new Error("the gateway does not answer")
  })
  if (!response.ok) throw new Error(await failureOf(response))
  return (await response.json()) as A // what the gateway's own model says
}

export const get = <A>(path: string, signal: AbortSignal): Promise<A> => ask<A>(path, { signal })

export const disconnect = (
  target: { readonly session: string } | { readonly principal: string },
  reason: string
): Promise<{ readonly disconnected: number }> =>
  ask("disconnect", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...target, ...(reason === "" ? {} : { reason }) })
  })

export const query = (parameters: Readonly<Record<string, string | number>>): string =>
  new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, String(value)])).toString()
