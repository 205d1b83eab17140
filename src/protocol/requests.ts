/** A client's requests about topics: the messages that are answered. */
import type * as Protocol from "./Protocol.js"

export type Request = Protocol.Subscribe | Protocol.Unsubscribe | Protocol.Publish

export const isRequest = ({ type }: { readonly type: string }): boolean =>
  type === "publish" || type === "subscribe" || type === "unsubscribe"
