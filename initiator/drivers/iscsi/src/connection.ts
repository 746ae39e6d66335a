// SPDX-License-Identifier: Apache-2.0
// One TCP connection to a portal: PDUs out in gathered writes, the byte stream in to the framer.
import type { Socket } from 'node:net'
import { TransportError } from '@lunkit/initiator-core'
import { BHS, BHS_LENGTH, crc32c, DIGEST_LENGTH, writeDigest } from '@lunkit/spec'
import { Framer, type FramerHost } from './framer.ts'
import { openSocket, socketFault } from './open-socket.ts'
import type { Settled } from './options.ts'
import { type Portal, portalText } from './portal.ts'

/** Headers and short data segments are gathered here before they are written. */
const STAGING_BYTES = 64 * 1024
/** Data segments up to this length are copied to the headers: cheaper than a piece of its own in the write. */
const COPY_BYTES = 8 * 1024
/** Answers to a target that does not read: pings, and what is asked for again. */
const UNREAD_ANSWERS = 1000
/** Room for padding and digest after a data segment. */
const TRAILER_ROOM = 3 + DIGEST_LENGTH
const { dataSegmentLength } = BHS.field

export interface ConnectionHost extends FramerHost {
  /** The connection is gone, with its cause; called once, after which no PDU comes. */
  lost(error: TransportError): void
}

/** Sends and receives; knows nothing of what the PDUs say. */
export class Connection {
  readonly portal: Portal
  readonly framer: Framer
  /** Where the header begun by `begin` stands. */
  staging = Buffer.allocUnsafeSlow(STAGING_BYTES)
  /** StatSN expected next, and so the acknowledgement of all before it. */
  expStatSn = 0
  /** Pieces received, for keep-alive. */
  heard = 0
  #host: ConnectionHost
  #socket: Socket
  #headerDigest = false
  #dataDigest = false
  #written = 0
  #used = 0
  #begun = 0
  #headerEnd = 0
  #pieces: Uint8Array[] = []
  #unread = 0
  #flushing = false
  #lost = false
  readonly #flush = (): void => this.#write()

  private constructor(portal: Portal, socket: Socket, host: ConnectionHost, maxDataLength: number) {
    this.portal = portal
    this.#socket = socket
    this.#host = host
    this.framer = new Framer(host, maxDataLength)
  }

  /**
   * Connects. Rejects with a TransportError (`TRANSPORT_CONNECT_FAILED`), or with the signal's reason. The host gets
   * PDUs from then on.
   */
  static async open(
    portal: Portal,
    host: ConnectionHost,
    { maxRecvDataSegmentLength, tls }: Pick<Settled, 'maxRecvDataSegmentLength' | 'tls'>,
    signal: AbortSignal,
  ): Promise<Connection> {
    let connection: Connection | null = null
    const received = (buffer: Uint8Array, length: number): void => connection?.received(buffer, length)
    const opened = (socket: Socket): Connection => {
      connection = new Connection(portal, socket, host, maxRecvDataSegmentLength)
      connection.#watch()
      return connection
    }
    return openSocket(portal, tls, received, opened, signal)
  }

  #watch(): void {
    const lost = (why: string, cause?: unknown): void =>
      this.fail(
        new TransportError(
          'TRANSPORT_CONNECTION_LOST',
          `Connection to ${portalText(this.portal)} was lost: ${why}`,
          { cause },
        ),
      )
    this.#socket.on('error', error => lost(socketFault(error), error))
    this.#socket.on('end', () => lost('the target closed it'))
    this.#socket.on('close', () => lost('it was closed'))
  }

  /** The host gets all PDUs from now on. Safe inside the host's `pdu`. */
  handTo(host: ConnectionHost): void {
    this.#host = host
    this.framer.handTo(host)
  }

  /** Digests of every PDU after this call, both ways (RFC 7143, 6.2: from the first PDU of full feature phase). */
  useDigests(header: boolean, data: boolean): void {
    this.#headerDigest = header
    this.#dataDigest = data
    this.framer.headerDigest = header
    this.framer.dataDigest = data
  }

  received(buffer: Uint8Array, length: number): void {
    this.heard++
    try {
      this.framer.push(buffer, 0, length)
    } catch (error) {
      this.fail(
        error instanceof TransportError
          ? error
          : new TransportError('TRANSPORT_PROTOCOL', `Handling a PDU failed: ${String(error)}`, {
              cause: error,
            }),
      )
    }
  }

  /**
   * Starts a PDU: room for a zeroed header of `length` bytes in `staging`, at the offset that is returned. Every
   * `begin` is followed by its `end` before the next one.
   */
  begin(length: number = BHS_LENGTH): number {
    const room = length + DIGEST_LENGTH + COPY_BYTES + TRAILER_ROOM
    if (this.#used + room > STAGING_BYTES) this.#turn()
    const at = this.#used
    this.staging.fill(0, at, at + length)
    this.#begun = at
    this.#headerEnd = at + length
    return at
  }

  /** Ends the PDU with bytes `from` up to `to` of `data`, which are read until the write is done. */
  end(data: Uint8Array | null = null, from = 0, to: number = data?.length ?? 0): void {
    let at = this.#endHeader(to - from)
    if (data !== null && to > from) {
      at = this.#put(data, from, to, at, to - from <= COPY_BYTES)
      at = this.#pad(at, to - from, this.#dataDigest ? crc32c(data, from, to) : 0)
    }
    this.#endPdu(at)
  }

  /** The same with several pieces, counted as if they were one behind the other. */
  endOf(pieces: readonly Uint8Array[], from: number, to: number): void {
    if (pieces.length === 1) {
      this.end(pieces[0], from, to)
      return
    }
    let at = this.#endHeader(to - from)
    let crc = 0
    let start = 0
    for (const piece of to > from ? pieces : []) {
      const [first, last] = [Math.max(from - start, 0), Math.min(to - start, piece.length)]
      start += piece.length
      if (first >= last) continue
      at = this.#put(piece, first, last, at, to - from <= COPY_BYTES)
      if (this.#dataDigest) crc = crc32c(piece, first, last, crc)
    }
    if (to > from) at = this.#pad(at, to - from, crc)
    this.#endPdu(at)
  }

  #endHeader(length: number): number {
    const staging = this.staging
    const at = this.#headerEnd
    dataSegmentLength.set(staging, this.#begun, length)
    if (!this.#headerDigest) return at
    writeDigest(staging, at, crc32c(staging, this.#begun, at))
    return at + DIGEST_LENGTH
  }

  #endPdu(at: number): void {
    this.#used = at
    if (this.#flushing) return
    this.#flushing = true
    process.nextTick(this.#flush)
  }

  #put(data: Uint8Array, from: number, to: number, at: number, isCopied: boolean): number {
    const part = data.subarray(from, to)
    if (isCopied) {
      this.staging.set(part, at)
      return at + part.length
    }
    if (at > this.#written) this.#pieces.push(this.staging.subarray(this.#written, at))
    this.#pieces.push(part)
    this.#written = at
    return at
  }

  /** Padding and digest of `length` bytes of data, whose checksum is `seed`. */
  #pad(at: number, length: number, seed: number): number {
    const padded = at + (-length & 3)
    this.staging.fill(0, at, padded)
    if (!this.#dataDigest) return padded
    writeDigest(this.staging, padded, crc32c(this.staging, at, padded, seed))
    return padded + DIGEST_LENGTH
  }

  /** Takes a new staging buffer; what is in the old one stays with the pieces to write. */
  #turn(): void {
    if (this.#used > this.#written) this.#pieces.push(this.staging.subarray(this.#written, this.#used))
    this.staging = Buffer.allocUnsafeSlow(STAGING_BYTES)
    this.#used = 0
    this.#written = 0
  }

  #write(): void {
    this.#flushing = false
    if (this.#used > this.#written) this.#pieces.push(this.staging.subarray(this.#written, this.#used))
    this.#written = this.#used
    const pieces = this.#pieces
    this.#pieces = []
    if (this.#lost || pieces.length === 0) return
    const socket = this.#socket
    if (pieces.length === 1) {
      socket.write(pieces[0]!)
      return
    }
    socket.cork()
    for (const piece of pieces) socket.write(piece)
    socket.uncork()
  }

  /** Ends the connection at once, without a word to the host. */
  drop(): void {
    this.#lost = true
    this.framer.stop()
    this.#pieces = []
    this.#socket.destroy()
  }

  /**
   * Counts a PDU that the target has made this side send; throws a TransportError where it goes on to do so and does not
   * read.
   */
  countAnswer(): void {
    if (this.backlog === 0) this.#unread = 0
    else if (++this.#unread > UNREAD_ANSWERS) {
      throw new TransportError('TRANSPORT_PROTOCOL', 'The target wants answers but does not read them')
    }
  }

  /** Bytes written that the peer has not taken yet. */
  get backlog(): number {
    return this.#socket.writableLength
  }

  /** Ends the connection at once; the host's `lost` is called with the error. Does nothing the second time. */
  fail(error: TransportError): void {
    if (this.#lost) return
    this.drop()
    this.#host.lost(error)
  }
}
