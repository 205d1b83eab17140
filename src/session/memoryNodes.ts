/** The gateways that have said of themselves that they live, in memory. */
import type { NodeInfo } from "./sessionStoreService.js"

export class NodeList {
  private readonly said = new Map<string, { readonly node: NodeInfo; readonly until: number }>()

  constructor(
    /** Milliseconds. */
    readonly lease: number,
    private readonly now: () => number
  ) {}

  announce(node: NodeInfo): void {
    this.said.set(node.id, { node, until: this.now() + this.lease })
    for (const [id, { until }] of this.said) if (until < this.now()) this.said.delete(id)
  }

  withdraw(id: string): void {
    this.said.delete(id)
  }

  /** Those that have not been silent for longer than the lease. */
  get living(): ReadonlyArray<NodeInfo> {
    const living = [...this.said.values()].filter(({ until }) => until >= this.now()).map(({ node }) => node)
    return living.sort((a, b) => (a.id < b.id ? -1 : 1))
  }
}
