// SPDX-License-Identifier: Apache-2.0
// A well-behaved initiator beside the bad ones: writes what it can tell again, reads it back, and is never disturbed.
import { type ConnectOptions, connect, type Disk } from '@lunkit/initiator-driver-iscsi'
import { goodBlock } from './content.ts'
import { Random } from './random.ts'

const BLOCK = 512
const MOST_BLOCKS = 256
/** Commands at once. */
const LANES = 3
/** Far above what a busy machine takes for one command. */
const PATIENCE_MS = 30_000

/** Events of a session to which nothing happens. */
const USUAL: ReadonlySet<string> = new Set(['connected', 'connection-added', 'connection-closed', 'closed'])

export class GoodSession {
  /** Blocks that were read back and compared. */
  verified = 0
  readonly complaints: string[]
  readonly #disk: Disk
  readonly #blocks: number
  readonly #generations: Uint32Array
  readonly #random: Random
  #going = true
  #lanes: Promise<unknown> = Promise.resolve()

  private constructor(disk: Disk, blocks: number, seed: number, complaints: string[]) {
    this.complaints = complaints
    this.#disk = disk
    this.#blocks = blocks
    this.#generations = new Uint32Array(blocks)
    this.#random = new Random(seed, 1)
  }

  /** Connects, and fills the LUN with its first generation. */
  static async open(
    url: string,
    name: string,
    seed: number,
    more: ConnectOptions = {},
  ): Promise<GoodSession> {
    const complaints: string[] = []
    const disk = await connect(url, {
      initiatorName: name,
      commandTimeoutMs: PATIENCE_MS,
      reconnect: { attempts: 0, delays: [] },
      onEvent: event => {
        if (!USUAL.has(event.type)) complaints.push(`Good session: ${event.type}`)
      },
      ...more,
    })
    const { blocks } = await disk.capacity()
    const session = new GoodSession(disk, Number(blocks), seed, complaints)
    for (let at = 0; at < session.#blocks; at += MOST_BLOCKS) {
      await disk.write(at, session.#content(at, Math.min(MOST_BLOCKS, session.#blocks - at)))
    }
    const lane = session.#blocks / LANES
    session.#lanes = Promise.all(
      Array.from({ length: LANES }, (_, i) => session.#go(Math.floor(lane * i), Math.floor(lane * (i + 1)))),
    )
    return session
  }

  #content(at: number, count: number): Buffer {
    const out = Buffer.allocUnsafe(count * BLOCK)
    for (let i = 0; i < count; i++) {
      goodBlock(out.subarray(i * BLOCK, (i + 1) * BLOCK), at + i, this.#generations[at + i]!)
    }
    return out
  }

  /** Writes and reads within blocks `from` to `to` until told to end. */
  async #go(from: number, to: number): Promise<void> {
    const random = this.#random
    try {
      while (this.#going) {
        const count = random.range(1, Math.min(MOST_BLOCKS, to - from))
        const at = random.range(from, to - count)
        if (random.chance(0.5)) {
          for (let i = 0; i < count; i++) this.#generations[at + i]!++
          await this.#disk.write(at, this.#content(at, count))
        }
        this.#compare(at, await this.#disk.read(at, count), this.#content(at, count))
        this.verified += count
      }
    } catch (error) {
      this.complaints.push(`Good session failed: ${(error as Error).message}`)
    }
  }

  #compare(at: number, got: Buffer, wanted: Buffer): void {
    if (got.equals(wanted)) return
    const wrong = got.findIndex((byte, i) => byte !== wanted[i])
    const block = at + Math.floor(wrong / BLOCK)
    throw new Error(
      `block ${block} is wrong from byte ${wrong % BLOCK} on: ${got.toString('hex', wrong, wrong + 16)}`,
    )
  }

  /** Ends, and checks the whole LUN once more. Gives what went wrong. */
  async close(): Promise<readonly string[]> {
    this.#going = false
    await this.#lanes
    if (this.complaints.length === 0) {
      try {
        for (let at = 0; at < this.#blocks; at += MOST_BLOCKS) {
          const count = Math.min(MOST_BLOCKS, this.#blocks - at)
          this.#compare(at, await this.#disk.read(at, count), this.#content(at, count))
        }
      } catch (error) {
        this.complaints.push(`Good session failed at the end: ${(error as Error).message}`)
      }
    }
    await this.#disk.close()
    return this.complaints
  }
}
