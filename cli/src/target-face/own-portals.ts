// SPDX-License-Identifier: Apache-2.0
// A LUN that leads to a target's own portals is refused: each of its commands would come back as another one, without end.
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { OperatorError } from '@lunkit/target-api'
import type { LunSpec } from './lun-spec.ts'
import { isLoopback } from './portal.ts'

/** A target as its own LUNs would meet it. */
export interface Here {
  readonly name: string
  /** Where it listens, and what initiators are told instead; port 0 is not known yet. */
  portals(): readonly { readonly host: string; readonly port: number }[]
}

/** Rejects with OperatorError LUN_LOOP. */
export async function refuseLoop(spec: LunSpec, here: Here): Promise<void> {
  const text = unitOf(spec)
  if (text === null) return
  const { urlOf } = await import('../bridges/iscsi/unit-url.ts')
  const { portal, target } = urlOf(text.startsWith('//') ? `iscsi:${text}` : text)
  if (target !== here.name) return
  const addresses = await addressesOf(portal.host)
  const own = here.portals().filter(({ port }) => port === portal.port)
  if (!own.some(({ host }) => meets(host, portal.host, addresses))) return
  throw new OperatorError('LUN_LOOP', `'${spec.label}' leads to this target itself`, {
    hint: 'name what is behind that LUN; a group of initiators can see one LUN under several numbers',
  })
}

/** URL of the unit of an iSCSI target that the LUN leads to, or null. */
function unitOf({ kind, store, keys, plugIns }: LunSpec): string | null {
  if (plugIns?.store === undefined && store === 'iscsi') return keys[''] ?? keys['url'] ?? null
  if (plugIns?.device !== undefined || kind !== 'passthrough') return null
  const unit = keys[''] ?? keys['unit'] ?? ''
  return unit.startsWith('iscsi:') ? unit : null
}

const WILDCARDS: readonly string[] = ['0.0.0.0', '::']

function meets(own: string, host: string, addresses: readonly string[]): boolean {
  if (!WILDCARDS.includes(own)) return own.toLowerCase() === host.toLowerCase() || addresses.includes(own)
  const here = Object.values(networkInterfaces()).flatMap(list => list!.map(({ address }) => address))
  return addresses.some(address => isLoopback(address) || here.includes(address))
}

/** None for a name that nobody knows: then the LUN cannot be opened either. */
async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host]
  const found = await lookup(host, { all: true }).catch(() => [])
  return found.map(({ address }) => address)
}
