/**
 * A session as an application has it on a gateway: what its handlers are given, and the registry shows.
 *
 * @since 0.1.0
 */
export type { Session, SessionEnd, SessionInfo } from "./GatewaySession.js"
