// SPDX-License-Identifier: Apache-2.0
// An initiator for measurements: so many commands in one piece again and again, or so many of several kinds under way.
import type { Socket } from 'node:net'
import {
  BHS,
  BHS_LENGTH,
  DATA_IN,
  DATA_OUT,
  DIGEST_LENGTH,
  Opcode,
  R2T,
  READ_10,
  SCSI_COMMAND,
  SCSI_RESPONSE,
  TEST_UNIT_READY,
  WRITE_10,
} from '@lunkit/spec'
import { RawPeer } from './raw-peer.ts'

export type Kind = 'read' | 'write' | 'ready'

export interface Load {
  readonly kind: Kind
  readonly lun: number
  /** Bytes of a command. */
  readonly bytes: number
  /** Commands of a burst, or under way. */
  readonly depth: number
  /** Places of `bytes` each that they go through, from the unit's begin: 16 if not given. */
  readonly places?: number
}

const BLOCK = 512
/** Longest data that comes with a command; the rest is asked for. */
const IMMEDIATE = 8192

export class LoadClient {
  readonly peer: RawPeer
  readonly #socket: Socket
  #left = 0
  #answered: () => void = () => undefined
  #failed: (error: Error) => void = () => undefined
  #held: Buffer = Buffer.alloc(0)
  readonly #data = Buffer.alloc(262_144, 0x5a)

  private constructor(peer: RawPeer) {
    this.peer = peer
    this.#socket = peer.socket
  }

  static async open(port: number, target: string, digests: boolean): Promise<LoadClient> {
    const peer = await RawPeer.connect(port)
    const digest = digests ? 'CRC32C' : 'None'
    await peer.login({
      target,
      // A session of its own beside one without.
      isid: Uint8Array.of(0x80, 0, 0, 0, 0, digests ? 2 : 1),
      keys: {
        HeaderDigest: digest,
        DataDigest: digest,
        ImmediateData: 'Yes',
        InitialR2T: 'Yes',
        FirstBurstLength: String(IMMEDIATE),
        MaxBurstLength: '262144',
        MaxRecvDataSegmentLength: '262144',
      },
    })
    const client = new LoadClient(peer)
    client.#socket.removeAllListeners('data')
    client.#socket.on('data', chunk => client.#take(chunk as Buffer))
    client.#socket.on('close', () => client.#failed(new Error('Target closed the connection')))
    return client
  }

  /** `count` commands; rejects if one does not end well, unless `any` is set. */
  async run(load: Load, count: number, any = false): Promise<void> {
    this.#any = any
    if (this.peer.closed) throw new Error('Target closed the connection')
    for (let sent = 0; sent < count; sent += load.depth) {
      const burst: Buffer[] = []
      for (let i = 0; i < load.depth; i++) burst.push(this.#command(load, sent + i))
      this.#left = load.depth
      const answered = new Promise<void>((resolve, reject) => {
        this.#answered = resolve
        this.#failed = reject
      })
      this.#socket.write(Buffer.concat(burst))
      await answered
    }
  }

  /** Keeps each load's `depth` commands under way for so long; how many of each ended. */
  async keep(loads: readonly Load[], milliseconds: number): Promise<number[]> {
    this.#any = false
    const ended = loads.map(() => 0)
    const owners = new Map<number, number>()
    const deadline = performance.now() + milliseconds
    const sent = loads.map(() => 0)
    const send = (index: number): void => {
      owners.set(this.peer.itt, index)
      this.#socket.write(this.#command(loads[index]!, sent[index]!++))
    }
    const all = new Promise<void>((resolve, reject) => {
      this.#answered = resolve
      this.#failed = reject
    })
    this.#left = loads.reduce((sum, { depth }) => sum + depth, 0)
    this.#ended = tag => {
      const index = owners.get(tag)!
      owners.delete(tag)
      if (performance.now() >= deadline) return
      ended[index]!++
      this.#left++
      send(index)
    }
    this.#socket.cork()
    for (const [index, { depth }] of loads.entries()) for (let i = 0; i < depth; i++) send(index)
    this.#socket.uncork()
    await all
    this.#ended = nothing
    return ended
  }

  close(): Promise<void> {
    return this.peer.close()
  }

  #any = false
  #ended: (tag: number) => void = nothing

  #command({ kind, lun, bytes, places = 16 }: Load, index: number): Buffer {
    const blocks = bytes / BLOCK
    const lba = (index % places) * blocks
    const cdb =
      kind === 'ready'
        ? TEST_UNIT_READY.cdb.write({ opcode: TEST_UNIT_READY.opcode } as never)
        : kind === 'read'
          ? READ_10.cdb.write({ opcode: READ_10.opcode, lba, blocks } as never)
          : WRITE_10.cdb.write({ opcode: WRITE_10.opcode, lba, blocks } as never)
    const { peer } = this
    const address = Buffer.alloc(8)
    address[1] = lun
    const writes = kind === 'write'
    const fields = {
      opcode: Opcode.scsiCommand,
      final: 1,
      attribute: 1,
      lun: address,
      read: kind === 'read' ? 1 : 0,
      write: writes ? 1 : 0,
      expectedDataTransferLength: kind === 'ready' ? 0 : bytes,
      itt: peer.itt++,
      cmdSn: peer.cmdSn++,
      cdb,
    }
    return peer.build(
      SCSI_COMMAND,
      fields as never,
      writes && bytes <= IMMEDIATE ? this.#data.subarray(0, bytes) : new Uint8Array(0),
    )
  }

  #take(chunk: Buffer): void {
    const { headerDigest, dataDigest } = this.peer
    let bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    this.#socket.cork()
    while (bytes.length >= BHS_LENGTH) {
      const length = BHS.field.dataSegmentLength.get(bytes, 0)
      const padded = (length + 3) & ~3
      const end =
        BHS_LENGTH +
        (headerDigest ? DIGEST_LENGTH : 0) +
        padded +
        (dataDigest && length > 0 ? DIGEST_LENGTH : 0)
      if (bytes.length < end) break
      this.#pdu(bytes)
      bytes = bytes.subarray(end)
    }
    this.#held = bytes
    this.#socket.uncork()
  }

  #pdu(header: Buffer): void {
    const opcode = BHS.field.opcode.get(header, 0)
    if (opcode === Opcode.r2t) this.#sendData(header)
    else if (opcode === Opcode.dataIn) {
      if (DATA_IN.field.statusPresent.get(header, 0) === 1) this.#end(header, 0)
    } else if (opcode === Opcode.scsiResponse) this.#end(header, SCSI_RESPONSE.field.status.get(header, 0))
    else this.#failed(new Error(`Target sent opcode 0x${opcode.toString(16)}`))
  }

  #sendData(header: Buffer): void {
    const { itt, ttt, bufferOffset, desiredLength } = R2T.field
    const fields = {
      opcode: Opcode.dataOut,
      final: 1,
      lun: Buffer.from(header.subarray(8, 16)),
      itt: itt.get(header, 0),
      ttt: ttt.get(header, 0),
      bufferOffset: bufferOffset.get(header, 0),
    }
    const data = this.#data.subarray(0, desiredLength.get(header, 0))
    this.#socket.write(this.peer.build(DATA_OUT, fields as never, data))
  }

  #end(header: Buffer, status: number): void {
    this.#ended(BHS.field.itt.get(header, 0))
    if (status !== 0 && !this.#any) this.#failed(new Error(`A command ended with status ${status}`))
    if (--this.#left === 0) this.#answered()
  }
}

function nothing(): void {}
