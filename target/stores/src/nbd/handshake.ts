// SPDX-License-Identifier: Apache-2.0
// The fixed newstyle handshake: TLS, structured replies, block status, and the export with its facts.
import { OperatorError, peerTrouble } from '@lunkit/target-api'
import { HandshakeBytes, HandshakeEnded } from './handshake-bytes.ts'
import {
  CONTEXT,
  DEFAULT_PAYLOAD,
  ExportFlag,
  HandshakeFlag,
  Info,
  LONGEST_STRING,
  MAGIC,
  OLDSTYLE_MAGIC,
  OPTION_ERROR,
  OPTION_ERROR_TEXT,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  Option,
  OptionError,
  OptionReply,
} from './protocol.ts'
import type { NbdPlace } from './uri.ts'
import { type NbdTls, Wire } from './wire.ts'

/** What the server said of the export. Sizes in bytes. */
export interface NbdExport {
  readonly size: number
  /** `ExportFlag`s. */
  readonly flags: number
  readonly structured: boolean
  /** Of base:allocation, or -1: no block status. */
  readonly context: number
  readonly minBlock: number
  readonly preferredBlock: number
  readonly maxPayload: number
}

export interface Opened {
  readonly wire: Wire
  readonly facts: NbdExport
  /** What the server sent behind its handshake. */
  readonly rest: Buffer
}

/** Longest reply to an option, and how many of them an option may have. */
const LONGEST_REPLY = 16 * 1024
const MOST_REPLIES = 2048
const MOST_NAMED = 20
const LARGEST_MIN_BLOCK = 65_536
const LARGEST_PREFERRED = 1024 * 1024
const ZEROES = 124

/** Connects and comes to an agreement in `limitMs`. Rejects with OperatorError, and then nothing is left open. */
export async function openExport(
  place: NbdPlace,
  tls: NbdTls,
  limitMs: number,
  signal?: AbortSignal,
): Promise<Opened> {
  const giveUp = new AbortController()
  const stop = (): void => giveUp.abort()
  signal?.addEventListener('abort', stop)
  let late = false
  const timer = setTimeout(() => {
    late = true
    giveUp.abort()
  }, limitMs)
  let wire: Wire | null = null
  try {
    wire = await Wire.connect(place, giveUp.signal)
    return await new Handshake(place, tls, wire).run()
  } catch (error) {
    wire?.reset('the handshake failed')
    throw late ? tooLate(place, limitMs) : failed(place, error)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}

const tooLate = ({ uri }: NbdPlace, limitMs: number): OperatorError =>
  new OperatorError('NBD_TIMEOUT', `NBD server '${uri}' has not agreed in ${limitMs / 1000} s`, {
    hint: 'see whether it runs, and whether it takes one client more (qemu-nbd --shared)',
  })

function failed({ uri, tls, socket }: NbdPlace, error: unknown): OperatorError {
  if (error instanceof OperatorError) return error
  const { message, code = '' } = error as Error & { code?: string }
  if (error instanceof HandshakeEnded) {
    return new OperatorError('NBD_HANDSHAKE', `NBD server '${uri}' ended the handshake: ${message}`, {
      hint: 'its own log may say why',
    })
  }
  if (tls && /^(ERR_(SSL|TLS|OSSL)|CERT_|UNABLE_|SELF_SIGNED|DEPTH_ZERO)/.test(code)) {
    return new OperatorError('NBD_TLS', `TLS with NBD server '${uri}' failed: ${message}`, {
      hint: 'give who signs its certificate as tls-ca=FILE, and another name that it has as ?tls-hostname=',
      cause: error,
    })
  }
  if (socket !== null && (code === 'EACCES' || code === 'EPERM')) {
    return new OperatorError(
      'NBD_SOCKET',
      `The socket of NBD server '${uri}' may not be used: permission denied`,
      {
        hint: 'let this user write to it, and search the folders that it is in',
        cause: error,
      },
    )
  }
  // Several addresses that all failed are one error without words.
  const first = error instanceof AggregateError ? (error.errors[0] as Error) : null
  return new OperatorError(
    'NBD_CONNECT',
    `NBD server '${uri}' cannot be reached: ${peerTrouble(first ?? error)}`,
    {
      hint: 'see whether it runs and listens there',
      cause: error,
    },
  )
}

interface Reply {
  readonly type: number
  readonly data: Buffer
}

class Handshake {
  readonly #place: NbdPlace
  readonly #tls: NbdTls
  readonly #wire: Wire
  #bytes: HandshakeBytes

  constructor(place: NbdPlace, tls: NbdTls, wire: Wire) {
    this.#place = place
    this.#tls = tls
    this.#wire = wire
    this.#bytes = new HandshakeBytes(wire)
  }

  async run(): Promise<Opened> {
    const { fixed, noZeroes } = await this.#greet()
    if (!fixed) {
      if (this.#place.tls) throw this.#noTls('it knows no options')
      return this.#opened(await this.#byName(noZeroes, false))
    }
    if (this.#place.tls) await this.#startTls()
    const structured = (await this.#ask(Option.structuredReply)).type === OptionReply.ack
    const context = structured ? await this.#setContext() : -1
    const facts = await this.#go(structured, context)
    return this.#opened(facts ?? (await this.#byName(noZeroes, structured)))
  }

  #opened(facts: NbdExport): Opened {
    return { wire: this.#wire, facts, rest: this.#bytes.rest() }
  }

  async #greet(): Promise<{ fixed: boolean; noZeroes: boolean }> {
    const greeting = await this.#bytes.take(16)
    if (greeting.readBigUInt64BE(0) !== MAGIC) throw this.#broken('it is no NBD server')
    const second = greeting.readBigUInt64BE(8)
    if (second === OLDSTYLE_MAGIC) throw this.#broken('it knows only the oldstyle handshake of before 2010')
    if (second !== OPTION_MAGIC) throw this.#broken('its greeting is none that is known')
    const flags = (await this.#bytes.take(2)).readUInt16BE(0)
    const both = flags & (HandshakeFlag.fixedNewstyle | HandshakeFlag.noZeroes)
    const answer = Buffer.alloc(4)
    answer.writeUInt32BE(both)
    this.#write(answer)
    return {
      fixed: (both & HandshakeFlag.fixedNewstyle) !== 0,
      noZeroes: (both & HandshakeFlag.noZeroes) !== 0,
    }
  }

  async #startTls(): Promise<void> {
    const { type, data } = await this.#ask(Option.startTls)
    if (type !== OptionReply.ack) throw this.#noTls(`it ${saying(type, data)}`)
    // What came in clear behind the answer would be taken for what came by TLS.
    if (this.#bytes.rest().length > 0) throw this.#broken('it sent data in clear where TLS had to begin')
    await this.#wire.startTls(this.#place, this.#tls)
    this.#bytes = new HandshakeBytes(this.#wire)
  }

  /** The id of base:allocation, or -1. */
  async #setContext(): Promise<number> {
    const name = Buffer.from(this.#place.exportName)
    const query = Buffer.from(CONTEXT)
    this.#option(Option.setMetaContext, [uint32(name.length), name, uint32(1), uint32(query.length), query])
    let context = -1
    await this.#replies(Option.setMetaContext, ({ type, data }) => {
      if (type !== OptionReply.metaContext || data.length < 4) return
      if (data.subarray(4).equals(query)) context = data.readUInt32BE(0)
    })
    return context
  }

  /** Null where the server does not know the option. */
  async #go(structured: boolean, context: number): Promise<NbdExport | null> {
    const name = Buffer.from(this.#place.exportName)
    this.#option(Option.go, [uint32(name.length), name, Buffer.from([0, 1, 0, Info.blockSize])])
    let size = -1n
    let flags = 0
    let [minBlock, preferredBlock, maxPayload] = [1, 4096, DEFAULT_PAYLOAD]
    const last = await this.#replies(Option.go, ({ type, data }) => {
      if (type !== OptionReply.info || data.length < 2) return
      const info = data.readUInt16BE(0)
      if (info === Info.export) {
        if (data.length !== 12) throw this.#broken('it described its export in a wrong length')
        size = data.readBigUInt64BE(2)
        flags = data.readUInt16BE(10)
      } else if (info === Info.blockSize) {
        if (data.length !== 14) throw this.#broken('it described its block size in a wrong length')
        minBlock = data.readUInt32BE(2)
        preferredBlock = data.readUInt32BE(6)
        maxPayload = data.readUInt32BE(10)
      }
    })
    if (last.type === OptionError.unsupported) return null
    if (last.type === OptionError.unknown) throw await this.#unknownExport()
    if (last.type === OptionError.tlsRequired) {
      const { uri } = this.#place
      throw new OperatorError('NBD_TLS', `NBD server '${uri}' wants TLS`, {
        hint: `write ${uri.replace(/^nbd/i, 'nbds')}, and tls-ca=FILE where its authority is your own`,
      })
    }
    if (last.type !== OptionReply.ack) throw this.#refused(`it ${saying(last.type, last.data)}`)
    if (size < 0n) throw this.#broken('it did not describe its export')
    return this.#checked({ size, flags, structured, context, minBlock, preferredBlock, maxPayload })
  }

  async #byName(noZeroes: boolean, structured: boolean): Promise<NbdExport> {
    this.#option(Option.exportName, [Buffer.from(this.#place.exportName)])
    let facts: Buffer
    try {
      facts = await this.#bytes.take(noZeroes ? 10 : 10 + ZEROES)
    } catch (error) {
      // It cannot say no in another way.
      if (error instanceof HandshakeEnded) throw this.#refused('it closed the connection')
      throw error
    }
    return this.#checked({
      size: facts.readBigUInt64BE(0),
      flags: facts.readUInt16BE(8),
      structured,
      context: -1,
      minBlock: 1,
      preferredBlock: 4096,
      maxPayload: DEFAULT_PAYLOAD,
    })
  }

  #checked({ size, ...facts }: Omit<NbdExport, 'size'> & { size: bigint }): NbdExport {
    const { minBlock, preferredBlock, maxPayload, flags } = facts
    if ((flags & ExportFlag.hasFlags) === 0) throw this.#broken('its export has no flags')
    const powers = isPower(minBlock) && isPower(preferredBlock)
    if (!powers || minBlock > LARGEST_MIN_BLOCK || preferredBlock < minBlock || maxPayload < minBlock)
      throw this.#broken(`its block sizes ${minBlock}, ${preferredBlock} and ${maxPayload} cannot be`)
    const whole = size - (size % BigInt(minBlock))
    if (whole < 1n || whole > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new OperatorError('NBD_SIZE', `NBD export '${this.#place.uri}' has ${size} bytes`, {
        hint: `it needs ${minBlock} at least, and fewer than 2^53`,
      })
    }
    // Advice, and no more: nobody has to believe in blocks of a gigabyte.
    return { ...facts, size: Number(whole), preferredBlock: Math.min(preferredBlock, LARGEST_PREFERRED) }
  }

  async #unknownExport(): Promise<OperatorError> {
    const names: string[] = []
    this.#option(Option.list, [])
    const last = await this.#replies(Option.list, ({ type, data }) => {
      if (type !== OptionReply.server || data.length < 4) return
      const length = data.readUInt32BE(0)
      if (length <= data.length - 4) names.push(printable(data.subarray(4, 4 + length)))
    })
    const { uri, exportName } = this.#place
    const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : ''
    const listed = names.slice(0, MOST_NAMED).map(name => `'${name}'`)
    const known = last.type === OptionReply.ack && names.length > 0
    if (names.includes(printable(Buffer.from(exportName)))) {
      return new OperatorError(
        'NBD_EXPORT',
        `NBD server '${uri}' lists export '${exportName}' and refuses it`,
        {
          hint: 'what the server says itself, and what is behind the export, tell why',
        },
      )
    }
    return new OperatorError('NBD_EXPORT', `NBD server '${uri}' has no export '${exportName}'`, {
      hint: known ? `it has ${listed.join(', ')}${more}` : 'it does not tell which it has',
    })
  }

  async #ask(option: number): Promise<Reply> {
    this.#option(option, [])
    return this.#replies(option, () => {})
  }

  #option(option: number, data: readonly Buffer[]): void {
    const header = Buffer.alloc(16)
    header.writeBigUInt64BE(OPTION_MAGIC, 0)
    header.writeUInt32BE(option, 8)
    header.writeUInt32BE(
      data.reduce((sum, part) => sum + part.length, 0),
      12,
    )
    this.#write(Buffer.concat([header, ...data]))
  }

  /** Replies up to the one that ends the option, which is returned. */
  async #replies(option: number, each: (reply: Reply) => void): Promise<Reply> {
    for (let count = 0; count < MOST_REPLIES; count++) {
      const header = await this.#bytes.take(20)
      if (header.readBigUInt64BE(0) !== OPTION_REPLY_MAGIC || header.readUInt32BE(8) !== option)
        throw this.#broken('its reply to an option is none')
      const type = header.readUInt32BE(12)
      const length = header.readUInt32BE(16)
      if (length > LONGEST_REPLY) throw this.#broken(`its reply to an option has ${length} bytes`)
      const reply = { type, data: await this.#bytes.take(length) }
      if (type === OptionReply.ack || type >= OPTION_ERROR) return reply
      each(reply)
    }
    throw this.#broken('it does not come to an end with an option')
  }

  #write(bytes: Buffer): void {
    this.#wire.write([bytes], () => {})
  }

  #broken(what: string): OperatorError {
    return new OperatorError('NBD_PROTOCOL', `NBD server '${this.#place.uri}': ${what}`, {
      hint: 'something else may listen there, or the server is broken',
    })
  }

  #noTls(why: string): OperatorError {
    return new OperatorError('NBD_TLS', `NBD server '${this.#place.uri}' does no TLS: ${why}`, {
      hint: 'set TLS up there; without it write nbd:// where nobody else is on the way',
    })
  }

  #refused(why: string): OperatorError {
    const { uri, exportName } = this.#place
    return new OperatorError('NBD_REFUSED', `NBD server '${uri}' refused export '${exportName}': ${why}`, {
      hint: 'see whether it has that export, and lets this machine use it',
    })
  }
}

const isPower = (size: number): boolean => size >= 1 && Number.isInteger(Math.log2(size))

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** What a server calls an error, in its own words where it has some. */
function saying(type: number, words: Buffer): string {
  const known = OPTION_ERROR_TEXT.get(type) ?? `answered with error ${(type % OPTION_ERROR).toString()}`
  return words.length === 0 ? known : `${known} (${printable(words)})`
}

/** A server's words: no longer than is read, and nothing that moves a terminal's cursor. */
export function printable(bytes: Buffer): string {
  return bytes.toString('utf8', 0, Math.min(bytes.length, 256, LONGEST_STRING)).replaceAll(/\p{C}/gu, '?')
}
