// SPDX-License-Identifier: Apache-2.0
// What every target is to the benchmark, and the ports for those that take no port 0.
import { createServer } from 'node:net'

/** What to serve: files, one a LUN, or a store of that many bytes that is no file. */
export interface Content {
  readonly files: readonly string[]
  readonly kind: 'file' | 'null' | 'memory'
  readonly bytes: number
}

export interface Peer {
  /** iSCSI URLs of its disks. */
  readonly urls: readonly string[]
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
