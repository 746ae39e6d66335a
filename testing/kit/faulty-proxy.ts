// SPDX-License-Identifier: Apache-2.0
// A TCP proxy that knows iSCSI PDUs and treats them badly by a seed: late, damaged, left out, and cut off in their midst.
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { BHS, BHS_LENGTH, LOGIN_RESPONSE, LoginStage, Opcode } from '@lunkit/spec'

/** Numbers in [0, 1) that are the same for the same seed (xorshift of 32 bits). */
export function seeded(seed: number): () => number {
  let state = Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 0x1_0000_0000
  }
}

/** Probability of each fault for a PDU in full feature phase. */
export interface FaultRates {
  /** A bit of the data segment is turned. */
  readonly data: number
  /** A bit of the header is turned. */
  readonly header: number
  /** A Data-In PDU without a status is left out. */
  readonly omit: number
  /** The connection ends behind half of the PDU. */
  readonly cut: number
  /** All connections of the proxy end. */
  readonly cutAll: number
  /** The PDU, and those behind it, come up to `latestMs` later. */
  readonly delay: number
  readonly latestMs: number
}

type Fault = Exclude<keyof FaultRates, 'latestMs'>
const FAULTS: readonly Fault[] = ['data', 'header', 'omit', 'cut', 'cutAll', 'delay']
/** Bytes that may wait in one direction before its sender is slowed down. */
const WAITING_BYTES = 1 << 20
/** Data-In: byte 1, whether there is a status. */
const STATUS_BIT = 1

interface Pair {
  readonly near: Socket
  readonly far: Socket
  /** Digests stand behind headers and data, both ways. */
  digests: boolean
}

export class FaultyProxy {
  /** How often each fault was done. */
  readonly faults: Record<Fault, number> = { data: 0, header: 0, omit: 0, cut: 0, cutAll: 0, delay: 0 }
  taken = 0
  /** While true all passes as it came. */
  calm = false
  readonly #server: Server
  readonly #port: number
  readonly #seed: number
  readonly #rates: FaultRates
  readonly #pairs = new Set<Pair>()

  private constructor(server: Server, port: number, seed: number, rates: FaultRates) {
    this.#server = server
    this.#port = port
    this.#seed = seed
    this.#rates = rates
  }

  /** Between initiators that agree to both digests and the target at this loopback port. */
  static async to(port: number, seed: number, rates: FaultRates): Promise<FaultyProxy> {
    const server = createServer()
    const proxy = new FaultyProxy(server, port, seed, rates)
    server.on('connection', socket => proxy.#take(socket))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  /** Ends all connections at once. */
  cutAll(): void {
    for (const pair of [...this.#pairs]) this.#cut(pair)
  }

  #cut(pair: Pair): void {
    this.#pairs.delete(pair)
    pair.near.destroy()
    pair.far.destroy()
  }

  #take(near: Socket): void {
    const number = this.taken++
    const pair: Pair = { near, far: connect(this.#port, '127.0.0.1'), digests: false }
    this.#pairs.add(pair)
    for (const socket of [pair.near, pair.far]) {
      socket.setNoDelay(true)
      socket.on('error', () => this.#cut(pair))
      socket.on('close', () => this.#cut(pair))
    }
    this.#pass(pair, pair.near, pair.far, seeded(this.#seed + number * 2))
    this.#pass(pair, pair.far, pair.near, seeded(this.#seed + number * 2 + 1))
  }

  /** One direction: PDUs go on in their order, one after the other. */
  #pass(pair: Pair, from: Socket, to: Socket, random: () => number): void {
    let rest: Buffer = Buffer.alloc(0)
    let waiting = 0
    let last: Promise<void> | null = null
    const forward = async (pdu: Buffer, before: Promise<void> | null): Promise<void> => {
      await before
      const held = await this.#send(pair, pdu, to, random)
      if (held && to.writable) await new Promise(resolve => to.once('drain', resolve).once('close', resolve))
      waiting -= pdu.length
      if (waiting < WAITING_BYTES) from.resume()
    }
    from.on('data', chunk => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      for (;;) {
        const length = pduLength(rest, pair.digests)
        if (length > rest.length) break
        const pdu = Buffer.from(rest.subarray(0, length))
        rest = rest.subarray(length)
        // Behind the last response of the login nothing may be cut before its length is known to be another.
        if (endsLogin(pdu)) pair.digests = true
        waiting += pdu.length
        last = forward(pdu, last)
      }
      if (waiting >= WAITING_BYTES) from.pause()
    })
  }

  /** Sends one PDU, or what becomes of it. Resolves to whether the receiver is slow. */
  async #send(pair: Pair, pdu: Buffer, to: Socket, random: () => number): Promise<boolean> {
    const fault = this.calm ? null : this.#choose(pair, pdu, random)
    if (fault !== null) this.faults[fault]++
    switch (fault) {
      case 'cut':
        to.write(pdu.subarray(0, Math.floor(pdu.length * random())))
        await wait(0)
        this.#cut(pair)
        return false
      case 'cutAll':
        this.cutAll()
        return false
      case 'omit':
        return false
      case 'delay':
        await wait(random() * this.#rates.latestMs)
        break
      case 'header':
        flip(pdu, 0, BHS_LENGTH, random)
        break
      case 'data':
        flip(pdu, dataStart(pdu), dataStart(pdu) + BHS.field.dataSegmentLength.get(pdu, 0), random)
        break
    }
    return !to.destroyed && !to.write(pdu)
  }

  #choose(pair: Pair, pdu: Buffer, random: () => number): Fault | null {
    const opcode = BHS.field.opcode.get(pdu, 0)
    const isLogin = opcode === Opcode.loginRequest || opcode === Opcode.loginResponse
    for (const fault of FAULTS) {
      if (random() >= this.#rates[fault]) continue
      const isWhole = fault === 'delay' || fault === 'cut' || fault === 'cutAll'
      if (isLogin || !pair.digests) return isWhole ? fault : null
      if (fault === 'data' && BHS.field.dataSegmentLength.get(pdu, 0) === 0) continue
      if (fault === 'omit' && (opcode !== Opcode.dataIn || (pdu[1]! & STATUS_BIT) !== 0)) continue
      return fault
    }
    return null
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.cutAll()
    await closed
  }
}

/** Bytes of the PDU at the head of these, as far as they tell; more than there are if it is not whole. */
function pduLength(bytes: Buffer, digests: boolean): number {
  if (bytes.length < BHS_LENGTH) return BHS_LENGTH
  const data = BHS.field.dataSegmentLength.get(bytes, 0)
  const ahs = BHS.field.totalAhsLength.get(bytes, 0) * 4
  const digest = digests ? 4 : 0
  return BHS_LENGTH + ahs + digest + (data === 0 ? 0 : ((data + 3) & ~3) + digest)
}

const dataStart = (pdu: Buffer): number => BHS_LENGTH + BHS.field.totalAhsLength.get(pdu, 0) * 4 + 4

function flip(pdu: Buffer, from: number, to: number, random: () => number): void {
  const at = from + Math.floor((to - from) * random())
  pdu[at]! ^= 1 << Math.floor(8 * random())
}

function endsLogin(pdu: Buffer): boolean {
  if (BHS.field.opcode.get(pdu, 0) !== Opcode.loginResponse) return false
  const { transit, nsg, statusClass } = LOGIN_RESPONSE.read(pdu)
  return transit === 1 && nsg === LoginStage.fullFeature && statusClass === 0
}
