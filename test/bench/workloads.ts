/** What is measured. A new workload is a file in `workloads` and a line here. */
import type { Workload } from "./workload.js"
import { accept } from "./workloads/accept.js"
import { client } from "./workloads/client.js"
import * as clusterResume from "./workloads/clusterResume.js"
import { clusterStorm } from "./workloads/clusterStorm.js"
import { clusterTopic } from "./workloads/clusterTopic.js"
import { deadline } from "./workloads/deadline.js"
import * as echo from "./workloads/echo.js"
import { fanouts } from "./workloads/fanout.js"
import { heartbeat } from "./workloads/heartbeat.js"
import { idle } from "./workloads/idle.js"
import { resume } from "./workloads/resume.js"
import { size } from "./workloads/size.js"
import { soak } from "./workloads/soak.js"

/** `cluster` on the command line means each whose name begins with it. */
export const workloads: ReadonlyArray<Workload> = [
  echo.echo,
  ...echo.variants,
  ...fanouts,
  idle,
  accept,
  heartbeat,
  resume,
  client,
  deadline,
  size,
  soak,
  clusterResume.afterCut,
  clusterResume.afterKill,
  clusterStorm,
  clusterTopic
]
