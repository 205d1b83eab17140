/** What is measured. A new workload is a file in `workloads` and a line here. */
import type { Workload } from "./workload.js"
import { echo } from "./workloads/echo.js"
import { idle } from "./workloads/idle.js"

export const workloads: ReadonlyArray<Workload> = [echo, idle]
