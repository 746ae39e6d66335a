// SPDX-License-Identifier: Apache-2.0
// A SCSI generic driver in memory: it reads headers through their addresses, as the kernel does, and ends commands when it is told to.
import { AT, HEADER_LENGTH, MOST_COMMANDS, VECTOR_LENGTH } from './header.ts'
import type { SgCalls } from './linux-sg.ts'

const INTERFACE = 0x53
const AT_TAIL = 0x10

/** How a command ends; what is not given is 0. */
export interface End {
  readonly status?: number
  readonly sense?: Uint8Array
  readonly data?: Uint8Array
  readonly residual?: number
  readonly host?: number
  readonly driver?: number
}

export interface Given {
  readonly fd: number
  readonly header: Buffer
  readonly cdb: Buffer
  /** Data for the unit, as they were when the command was given. */
  readonly data: Buffer
  readonly direction: number
  readonly timeout: number
  end: End | null
  read: boolean
}

interface File {
  readonly path: string
  ready: ((gone: boolean) => void) | null
  /** Calls of it on threads. */
  calls: number
  open: boolean
}

export class FakeKernel implements SgCalls {
  readonly given: Given[] = []
  readonly files = new Map<number, File>()
  readonly resets: number[] = []
  /** How the next calls fail, by the name of an errno. */
  readonly failures: { open: string[]; reset: string[]; submit: string[] } = {
    open: [],
    reset: [],
    submit: [],
  }
  /** Most commands that one call takes. */
  mostTaken = 64
  expected = 0
  #nextFd = 3
  #nextBase = 0x7f00_0000_0000
  readonly #memory: { base: number; bytes: Buffer }[] = []

  // ---- As the bridge sees it ----

  open(path: string, answer: (failure: string, fd: number) => void): void {
    setImmediate(() => {
      const failure = this.failures.open.shift() ?? ''
      if (failure !== '') return answer(failure, -1)
      const fd = this.#nextFd++
      this.files.set(fd, { path, ready: null, calls: 0, open: true })
      answer('', fd)
    })
  }

  submit(fd: number, headers: readonly Buffer[], answer: (failure: string, taken: number) => void): void {
    const file = this.#file(fd)
    file.calls++
    setImmediate(() => {
      file.calls--
      const failure = this.failures.submit.shift() ?? ''
      if (failure !== '') return answer(failure, 0)
      let taken = 0
      while (taken < headers.length && taken < this.mostTaken && this.underWay(fd).length < MOST_COMMANDS) {
        this.given.push(this.#take(fd, headers[taken++]!))
      }
      if (taken === 0) answer('EDOM', 0)
      else answer('', taken)
    })
  }

  collect(fd: number, headers: readonly Buffer[]): number {
    this.#file(fd)
    const ended = this.given.filter(one => one.fd === fd && one.end !== null && !one.read)
    const read = ended.slice(0, headers.length)
    for (const [i, one] of read.entries()) {
      this.#end(one)
      one.header.copy(headers[i]!)
    }
    return read.length
  }

  reset(fd: number, answer: (failure: string) => void): void {
    const file = this.#file(fd)
    file.calls++
    setImmediate(() => {
      file.calls--
      const failure = this.failures.reset.shift() ?? ''
      if (failure === '') this.resets.push(fd)
      answer(failure)
    })
  }

  close(fd: number): void {
    const file = this.#file(fd)
    if (file.calls > 0 || file.ready !== null) throw new Error('closed while it is used')
    file.open = false
  }

  maxTransfer(): number {
    return 1 << 20
  }

  addressOf(memory: ArrayBufferLike): number {
    const base = this.#nextBase
    this.#nextBase += Math.ceil(memory.byteLength / 4096) * 4096 + 4096
    this.#memory.push({ base, bytes: Buffer.from(memory as ArrayBuffer) })
    return base
  }

  watch(fd: number, ready: (gone: boolean) => void): void {
    this.#file(fd).ready = ready
  }

  unwatch(fd: number): void {
    this.#file(fd).ready = null
  }

  expect(more: number): void {
    this.expected += more
    if (this.expected < 0) throw new Error('fewer commands than none')
  }

  // ---- As the unit and the test see it ----

  underWay(fd?: number): Given[] {
    return this.given.filter(one => !one.read && (fd === undefined || one.fd === fd))
  }

  /** Ends commands, in this order, and lets them be collected. */
  end(end: End, ...which: Given[]): void {
    for (const one of which) one.end = end
    for (const [fd, { ready }] of this.files) if (which.some(one => one.fd === fd)) ready?.(false)
  }

  /** The unit is taken away. */
  hangUp(): void {
    for (const { ready } of this.files.values()) ready?.(true)
  }

  openFiles(): string[] {
    return [...this.files.values()].filter(({ open }) => open).map(({ path }) => path)
  }

  #file(fd: number): File {
    const file = this.files.get(fd)
    if (file?.open !== true) throw new Error(`file ${fd} is not open`)
    return file
  }

  #at(address: number, length: number): Buffer {
    const found = this.#memory.find(
      ({ base, bytes }) => address >= base && address + length <= base + bytes.length,
    )
    if (found === undefined) throw new Error(`nothing at ${address.toString(16)}`)
    return found.bytes.subarray(address - found.base, address - found.base + length)
  }

  #vectors(header: Buffer): Buffer[] {
    const count = header.readUInt16LE(AT.vectorCount)
    if (count === 0) return []
    const list = this.#at(addressAt(header, AT.data), count * VECTOR_LENGTH)
    const parts = Array.from({ length: count }, (_, i) =>
      this.#at(addressAt(list, i * VECTOR_LENGTH), addressAt(list, i * VECTOR_LENGTH + 8)),
    )
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    if (length !== header.readUInt32LE(AT.dataLength))
      throw new Error('the vectors are not as long as the data')
    return parts
  }

  #take(fd: number, from: Buffer): Given {
    const header = Buffer.from(from.subarray(0, HEADER_LENGTH))
    if (header.readInt32LE(AT.interfaceId) !== INTERFACE) throw new Error('no header of version 3')
    if (header.readUInt32LE(AT.flags) !== AT_TAIL) throw new Error('not at the tail')
    const direction = header.readInt32LE(AT.direction)
    return {
      fd,
      header,
      cdb: Buffer.from(this.#at(addressAt(header, AT.cdb), header[AT.cdbLength]!)),
      data: direction === -2 ? Buffer.concat(this.#vectors(header)) : Buffer.alloc(0),
      direction,
      timeout: header.readUInt32LE(AT.timeout),
      end: null,
      read: false,
    }
  }

  /** Writes status, sense and data where the header says. */
  #end(one: Given): void {
    const { status = 0, sense = new Uint8Array(0), data, residual = 0, host = 0, driver = 0 } = one.end!
    one.read = true
    const { header } = one
    header[AT.status] = status
    header[AT.senseLength] = Math.min(sense.length, header[AT.senseRoom]!)
    header.writeUInt16LE(host, AT.hostStatus)
    header.writeUInt16LE(driver, AT.driverStatus)
    header.writeInt32LE(residual, AT.residual)
    this.#at(addressAt(header, AT.sense), header[AT.senseLength]!).set(sense)
    let at = 0
    if (data !== undefined)
      for (const part of this.#vectors(header)) at += Buffer.from(data).copy(part, 0, at)
  }
}

const addressAt = (from: Buffer, at: number): number => Number(from.readBigUInt64LE(at))
