// SPDX-License-Identifier: Apache-2.0
// What every target beside lunkit is to the benchmark, and the ports for those that take no port 0.
import { createServer } from 'node:net'

export interface Peer {
  /** iSCSI URL of its disk. */
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** A port of loopback that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => void server.close(resolve))
  return port
}
