// SPDX-License-Identifier: Apache-2.0
// Keeps iSNS servers told of an engine's targets and portals, without ever holding the target up (RFC 4171).
import type { Engine } from '@lunkit/target-api'
import { portalText } from '../portal.ts'
import { within } from '../time-limit.ts'
import { list } from './listing.ts'
import { defaultEntity, type IsnsOptions, settleIsns } from './options.ts'
import { type IsnsState, ServerLink } from './server-link.ts'
import { InquiryListeners } from './status-inquiry.ts'

/** How often targets and portals are looked at for changes. */
const LOOK_MS = 1000
/** How long an end is waited for; a farewell takes half of it at most. */
const CLOSE_MS = 4000

/** A registration that goes on until it is closed. */
export interface IsnsRegistration {
  /** How things stand with each server. */
  readonly servers: readonly IsnsState[]
  /** Name of the network entity. */
  readonly entity: string
  /** Inquiries of servers that were answered. */
  readonly inquiries: number
  /** Has it look for changes at once; it does so every second by itself. */
  look(): void
  /** Takes leave of the servers, as far as they answer within 2 s each, all at once. */
  close(): Promise<void>
}

/**
 * Registers all targets of an engine with the portals of its iSCSI ports, which should be open. Resolves as soon as
 * inquiries are listened for: servers are reached in the background. Rejects with OperatorError for bad options.
 */
export async function registerWithIsns(
  engine: Pick<Engine, 'targets' | 'ports' | 'observe'>,
  options: IsnsOptions,
): Promise<IsnsRegistration> {
  const settings = settleIsns(options)
  const warn = (reason: string): void => engine.observe({ type: 'warning', reason })
  const inquiries = new InquiryListeners()
  let listing = list(engine)
  const entity = settings.entity ?? defaultEntity(listing.portals[0]?.port ?? 0)
  if (settings.esiSeconds > 0) {
    const hosts = new Set(listing.portals.flatMap(({ esiHost }) => esiHost ?? []))
    await inquiries.open(hosts, settings.esiPort, warn)
  }
  const links = settings.servers.map(
    server =>
      new ServerLink({
        server,
        name: portalText(server),
        settings,
        inquiries,
        entity,
        listing: () => list(engine),
        warn,
      }),
  )
  const look = (): void => {
    const now = list(engine)
    if (JSON.stringify(now) === JSON.stringify(listing)) return
    listing = now
    for (const link of links) link.changed()
  }
  const looking = setInterval(look, LOOK_MS)
  return {
    entity,
    look,
    get servers() {
      return links.map(link => link.state)
    },
    get inquiries() {
      return inquiries.answered
    },
    async close() {
      clearInterval(looking)
      // A look-up of a name may take longer than any of the links' own limits.
      await within(Promise.all(links.map(link => link.close())), CLOSE_MS)
      await inquiries.close()
    },
  }
}
