// SPDX-License-Identifier: Apache-2.0
// One connection's packets on their way into a capture; they wait in memory until it is known whose they are.
import type { Connection } from '../connection.ts'
import type { Capture } from './capture.ts'
import { type FileSeries, microseconds } from './file-series.ts'
import { PACKET_AT, packetBlock, packetBlockLength } from './pcapng.ts'
import { PduCutter } from './pdu-cutter.ts'
import { SYN_BYTES, sumOfAll, TcpFlag, TcpFlow } from './tcp-flow.ts'

const NOTHING: readonly Buffer[] = []
const ISCSI_PORT = 3260

export class ConnectionCapture {
  readonly #capture: Capture
  readonly #connection: Connection
  readonly #flow: TcpFlow
  readonly #in: PduCutter
  readonly #out: PduCutter
  /** Null until it is known, and where it is not to be captured. */
  #series: FileSeries | null = null
  #leave: (() => void) | null = null
  /** Packets that wait for that; null when it is known. */
  #held: Buffer[] | null = []
  #heldDrops = 0
  #closed = false

  constructor(capture: Capture, connection: Connection, first: number) {
    const { socket } = connection
    this.#capture = capture
    this.#connection = connection
    const initiator = { host: connection.peer, port: socket.remotePort ?? 0 }
    const target = { host: connection.localAddress, port: socket.localPort ?? ISCSI_PORT }
    this.#flow = new TcpFlow(initiator, target, first)
    const { snapBytes } = capture.settings
    const data = TcpFlag.ack | TcpFlag.push
    this.#in = new PduCutter(connection, snapBytes, (slices, length, kept) =>
      this.#packet(true, data, slices, length, kept),
    )
    this.#out = new PduCutter(connection, snapBytes, (slices, length, kept) =>
      this.#packet(false, data, slices, length, kept),
    )
    if (capture.settings.common !== null) this.identified()
    this.#packet(true, TcpFlag.syn, NOTHING, 0, 0)
    this.#packet(false, TcpFlag.syn | TcpFlag.ack, NOTHING, 0, 0)
    this.#packet(true, TcpFlag.ack, NOTHING, 0, 0)
  }

  received(chunk: Buffer): void {
    this.#in.feed(chunk)
    this.#in.cut()
  }

  /** The buffers from `from` to `to` are given to the socket in one write. */
  sent(buffers: readonly Buffer[], from: number, to: number): void {
    for (let i = from; i < to; i++) this.#out.feed(buffers[i]!)
    this.#out.cut()
  }

  /** Its login is through, or has failed: now it is known whose it is. */
  identified(): void {
    const held = this.#held
    if (held === null) return
    this.#held = null
    const { session, login, port } = this.#connection
    const found = this.#capture.seriesOf({
      initiator: this.#connection.initiator,
      target: session?.target?.name ?? login?.targetName ?? '',
      portalGroup: port.settings.tpgt,
      tsih: session?.identity.tsih ?? 0,
    })
    this.#series = found?.series ?? null
    this.#leave = found === null ? null : () => found.leave()
    for (const packet of held) {
      this.#capture.budget.left += packet.length
      if (this.#series?.hasRoom(packet.length)) this.#series.add(packet)
    }
    for (let i = 0; i < this.#heldDrops; i++) this.#series?.hasRoom(Number.POSITIVE_INFINITY)
  }

  closed(): void {
    if (this.#closed) return
    this.#closed = true
    this.identified()
    this.#packet(true, TcpFlag.fin | TcpFlag.ack, NOTHING, 0, 0)
    this.#packet(false, TcpFlag.fin | TcpFlag.ack, NOTHING, 0, 0)
    this.#packet(true, TcpFlag.ack, NOTHING, 0, 0)
    this.#leave?.()
  }

  #packet(inbound: boolean, flags: number, slices: readonly Buffer[], length: number, kept: number): void {
    if (this.#held === null && this.#series === null) return
    const headers = this.#flow.headerLength + (flags & TcpFlag.syn ? SYN_BYTES : 0)
    const block = this.#hasRoom(packetBlockLength(headers + kept))
      ? packetBlock(microseconds(), headers + kept, headers + length, inbound)
      : null
    // Its numbers count, whether it is kept or not.
    const into = block ?? SCRATCH
    let at = this.#flow.write(into, PACKET_AT, inbound, flags, length, block === null ? 0 : sumOfAll(slices))
    if (block === null) return
    const end = at + kept
    for (const slice of slices) {
      if (at === end) break
      at += slice.copy(block, at, 0, Math.min(slice.length, end - at))
    }
    if (this.#held === null) this.#series!.add(block)
    else {
      this.#capture.budget.left -= block.length
      this.#held.push(block)
    }
  }

  #hasRoom(bytes: number): boolean {
    if (this.#held === null) return this.#series!.hasRoom(bytes)
    if (bytes <= this.#capture.budget.left) return true
    this.#heldDrops++
    return false
  }
}

/** Where headers of packets go that are left out. */
const SCRATCH = Buffer.alloc(256)
