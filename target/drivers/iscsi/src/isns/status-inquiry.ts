// SPDX-License-Identifier: Apache-2.0
// Entity status inquiries: an iSNS server asks whether a portal is still there, and is answered (RFC 4171, 5.6.5.13).
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { ISNS_RESPONSE, IsnsFlag, IsnsFunction, IsnsStatus, parseIsnsAttributes } from '@lunkit/spec'
import { IsnsInbox, type IsnsMessage } from './inbox.ts'
import { encodeMessage } from './messages.ts'

/** Connections at once for each address that is listened on; one that says nothing for this long is closed. */
const MOST_CONNECTIONS = 16
const SILENCE_MS = 300_000
/** Answers that a peer has not read, in bytes; then it is cut off. */
const UNREAD_BYTES = 65_536

/** The answer to an inquiry: what it asked, behind a status. Null if it is none. */
export function answerInquiry({ functionId, transaction, payload }: IsnsMessage): Buffer | null {
  if (functionId !== IsnsFunction.entityStatusInquiry) return null
  const known = parseIsnsAttributes(payload) !== null
  const status = Buffer.alloc(4)
  status.writeUInt32BE(known ? IsnsStatus.success : IsnsStatus.formatError)
  const body = known && payload.length <= 0xffff - 4 ? Buffer.concat([status, payload]) : status
  return encodeMessage(functionId | ISNS_RESPONSE, IsnsFlag.fromClient, transaction, body)
}

/** Listens for inquiries, on the hosts that portals are bound to. */
export class InquiryListeners {
  readonly #servers: Map<string, Server> = new Map()
  readonly #sockets: Set<Socket> = new Set()
  /** Inquiries that were answered. */
  answered = 0

  /** Port 0 picks one for each host. Hosts that cannot be listened on have none. */
  async open(hosts: ReadonlySet<string>, port: number, warn: (reason: string) => void): Promise<void> {
    for (const host of hosts) {
      if (this.#servers.has(host)) continue
      const server = createServer(socket => this.#serve(socket))
      server.maxConnections = MOST_CONNECTIONS
      try {
        server.listen({ port, host: host === '' ? '::' : host, ipv6Only: hosts.has('0.0.0.0') })
        await once(server, 'listening')
        server.on('error', () => undefined)
        this.#servers.set(host, server)
      } catch (error) {
        warn(`Inquiries of iSNS servers cannot be listened for on ${host}: ${(error as Error).message}`)
      }
    }
  }

  portOf(host: string): number | undefined {
    const address = this.#servers.get(host)?.address()
    return typeof address === 'object' ? address?.port : undefined
  }

  async close(): Promise<void> {
    const closed = [...this.#servers.values()].map(
      server => new Promise<void>(done => server.close(() => done())),
    )
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(closed)
  }

  #serve(socket: Socket): void {
    const inbox = new IsnsInbox()
    this.#sockets.add(socket)
    socket.setTimeout(SILENCE_MS, () => socket.destroy())
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('data', chunk => {
      try {
        for (const message of inbox.push(chunk as Buffer)) {
          const answer = answerInquiry(message)
          if (answer === null || socket.writableLength > UNREAD_BYTES) {
            socket.destroy()
            return
          }
          this.answered++
          socket.write(answer)
        }
      } catch {
        // Whoever sends such bytes is no iSNS server.
        socket.destroy()
      }
    })
  }
}
