// SPDX-License-Identifier: Apache-2.0
// One iSNS server: registered with, kept up to date, tried again with growing waits, left with a farewell.
import { IsnsStatus } from '@lunkit/spec'
import { Conversation, IsnsRefusal } from './conversation.ts'
import { type Listing, type PlacedPortal, place } from './listing.ts'
import { departure, farewell, MOST_PORTALS, type Registration, registration } from './messages.ts'
import type { IsnsServer, IsnsSettings } from './options.ts'
import type { InquiryListeners } from './status-inquiry.ts'

/** A registration is sent again this often within the time after which the server may forget it. */
const REFRESHES = 3
const SHORTEST_REFRESH_MS = 1000
/** A connection that lasted as long as this was a good one: what ends it is no reason to wait longer. */
const STEADY_MS = 10_000
/** How long the farewell may take. */
const LEAVE_MS = 2000

/** How things stand with a server. */
export interface IsnsState {
  /** `host:port`. */
  readonly server: string
  readonly registered: boolean
  /** Why it is not, or ''. */
  readonly reason: string
}

interface LinkParts {
  readonly server: IsnsServer
  readonly name: string
  readonly settings: IsnsSettings
  readonly inquiries: InquiryListeners
  /** Of the entity, and what there is to register now. */
  readonly entity: string
  readonly listing: () => Listing
  readonly warn: (reason: string) => void
}

/** What the server knows. */
interface Known {
  readonly listing: Listing
  readonly portals: readonly PlacedPortal[]
}

export class ServerLink {
  readonly #parts: LinkParts
  readonly #ending = new AbortController()
  readonly #running: Promise<void>
  #known: Known | null = null
  #registered = false
  #reason = 'Not tried yet'
  #told = false
  /** What the server has said that it cannot do. */
  #esi = true
  #groups = true
  #periodSeconds: number
  /** Something has changed since it was last registered. */
  #dirty = false
  #wakesOnChange = false
  #endPause: () => void = NOTHING

  constructor(parts: LinkParts) {
    this.#parts = parts
    this.#periodSeconds = parts.settings.periodSeconds
    this.#running = this.#run()
  }

  get state(): IsnsState {
    return { server: this.#parts.name, registered: this.#registered, reason: this.#reason }
  }

  /** There is something else to register. */
  changed(): void {
    this.#dirty = true
    if (this.#wakesOnChange) this.#endPause()
  }

  /** Takes leave of the server, if it can be had; resolves when nothing is left. */
  close(): Promise<void> {
    this.#ending.abort()
    this.#endPause()
    return this.#running
  }

  get #over(): boolean {
    return this.#ending.signal.aborted
  }

  async #run(): Promise<void> {
    const { retryMs, longestRetryMs } = this.#parts.settings
    let failures = 0
    while (!this.#over) {
      const began = performance.now()
      const error = await this.#converse().then(
        () => null,
        (reason: unknown) => reason as Error,
      )
      this.#registered = false
      if (error === null || this.#over) continue
      this.#fail(error)
      failures = performance.now() - began > STEADY_MS ? 0 : failures + 1
      const wait = Math.min(longestRetryMs, retryMs * 2 ** Math.min(failures - 1, 20))
      // Targets that lost their server together should not all come back together.
      await this.#pause(Math.max(1, wait * (0.5 + Math.random() / 2)), false)
      if (this.#over) await this.#converse().catch(NOTHING)
    }
  }

  /** Told once, until there has been a success. */
  #fail(error: Error & { code?: string }): void {
    // A name with several addresses fails with an error for each, and no words for all.
    this.#reason = error.message === '' ? (error.code ?? 'Unknown error') : error.message
    if (this.#told) return
    this.#told = true
    this.#parts.warn(`iSNS server ${this.#parts.name}: ${this.#reason}; it is tried again`)
  }

  /** One connection: returns when the link is to end, throws when the connection or the server fails. */
  async #converse(): Promise<void> {
    const { server, settings } = this.#parts
    if (this.#known === null && (this.#over || this.#parts.listing().nodes.length === 0)) {
      await this.#pause(null, true)
      return
    }
    // One that begins when the link is to end already is for the farewell alone.
    const timeout = this.#over ? Math.min(LEAVE_MS, settings.timeoutMs) : settings.timeoutMs
    const signal = this.#over ? null : this.#ending.signal
    const conversation = await Conversation.open(server, timeout, signal)
    let limit: NodeJS.Timeout | undefined
    const hurry = (): void => {
      limit = setTimeout(() => conversation.close(), LEAVE_MS)
    }
    signal?.addEventListener('abort', hurry, { once: true })
    try {
      while (!this.#over) {
        await this.#register(conversation)
        const refresh = Math.max(SHORTEST_REFRESH_MS, (this.#periodSeconds * 1000) / REFRESHES)
        const end = await Promise.race([conversation.ended, this.#pause(refresh, true)])
        if (end instanceof Error && !this.#over) throw end
      }
      await this.#leave(conversation)
    } finally {
      signal?.removeEventListener('abort', hurry)
      clearTimeout(limit)
      this.#endPause()
      conversation.close()
    }
  }

  async #register(conversation: Conversation): Promise<void> {
    this.#dirty = false
    const listing = this.#parts.listing()
    const portals = (await place(listing.portals, conversation.localAddress)).slice(0, MOST_PORTALS)
    const known = this.#known
    if (listing.nodes.length === 0) {
      await this.#leave(conversation)
      return
    }
    if (portals.length === 0) throw new Error('No portal has an address that others could connect to')
    if (known !== null) await this.#removeGone(conversation, known, listing, portals)
    const { settings, inquiries, entity } = this.#parts
    const what: Registration = {
      entity,
      nodes: listing.nodes,
      portals,
      period: settings.periodSeconds,
      esiSeconds: settings.esiSeconds,
      esiPort: ({ esiHost }) =>
        !this.#esi || settings.esiSeconds === 0 || esiHost === null ? undefined : inquiries.portOf(esiHost),
      groups: this.#groups,
    }
    // What an earlier process of this name may have left is replaced, once.
    for (const request of registration(what, known === null)) {
      try {
        const period = await conversation.ask(request)
        if (period !== undefined && period > 0) this.#periodSeconds = period
      } catch (error) {
        if (!this.#canDoWithLess(error)) throw error
        await this.#register(conversation)
        return
      }
    }
    this.#known = { listing, portals }
    this.#registered = true
    this.#reason = ''
    this.#told = false
  }

  /** Whether the server refused something that a registration can do without. */
  #canDoWithLess(error: unknown): boolean {
    if (!(error instanceof IsnsRefusal)) return false
    if (error.status === IsnsStatus.esiNotAvailable && this.#esi) {
      this.#esi = false
      return true
    }
    if (error.status === IsnsStatus.featureNotSupported && this.#groups) {
      this.#groups = false
      return true
    }
    return false
  }

  async #removeGone(
    conversation: Conversation,
    known: Known,
    listing: Listing,
    portals: readonly PlacedPortal[],
  ): Promise<void> {
    const names = new Set(listing.nodes.map(({ name }) => name))
    const places = new Set(portals.map(({ address, port }) => `${address} ${port}`))
    const nodes = known.listing.nodes.filter(({ name }) => !names.has(name))
    const closed = known.portals.filter(({ address, port }) => !places.has(`${address} ${port}`))
    if (nodes.length === 0 && closed.length === 0) return
    const source = known.listing.nodes.find(({ name }) => names.has(name)) ?? known.listing.nodes[0]!
    await forgiving(conversation.ask(departure(source.name, nodes, closed)))
  }

  /** The entity goes, and with it all that it has. */
  async #leave(conversation: Conversation): Promise<void> {
    const known = this.#known
    if (known === null) return
    this.#known = null
    this.#registered = false
    await forgiving(conversation.ask(farewell(known.listing.nodes[0]!.name, this.#parts.entity)))
  }

  /** Waits so long, or for ever; the end of the link cuts it short, and a change where that is wanted. */
  #pause(ms: number | null, change: boolean): Promise<null> {
    this.#endPause()
    if (this.#over || (change && this.#dirty)) return Promise.resolve(null)
    return new Promise(resolve => {
      const timer = ms === null ? undefined : setTimeout(() => this.#endPause(), ms)
      this.#wakesOnChange = change
      this.#endPause = () => {
        clearTimeout(timer)
        this.#endPause = NOTHING
        resolve(null)
      }
    })
  }
}

const NOTHING = (): void => undefined

/** A server that does not know what is to go has nothing of it. */
async function forgiving(asked: Promise<unknown>): Promise<void> {
  try {
    await asked
  } catch (error) {
    if (!(error instanceof IsnsRefusal)) throw error
  }
}
