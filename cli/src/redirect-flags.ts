// SPDX-License-Identifier: Apache-2.0
// The flags of `lunkit serve` that send initiators elsewhere.
import { OperatorError } from '@lunkit/target-api'
import type { TargetOptions } from './target-face/create-target.ts'
import { parsePortal } from './target-face/portal.ts'

interface RedirectFlags {
  readonly redirect?: readonly string[]
  readonly redirectPermanent?: true
}

/** `portals` are those that are listened on. Throws OperatorError. */
export function redirectOptions(
  { redirect = [], redirectPermanent }: RedirectFlags,
  portals: readonly string[],
): Pick<TargetOptions, 'redirect' | 'redirects'> {
  const permanent = redirectPermanent === true
  if (redirect.length === 0) {
    if (!permanent) return {}
    throw new OperatorError('REDIRECT', '--redirect-permanent says nothing without --redirect', {
      hint: 'add --redirect HOST:PORT',
    })
  }
  const tags = new Set(portals.length === 0 ? [1] : portals.map(text => parsePortal(text).tag))
  const forAll: string[] = []
  const byTag: Record<number, string[]> = {}
  for (const given of redirect) {
    const [, tag, address = ''] = /^(?:(\d+)=)?(.*)$/.exec(given) ?? []
    if (tag === undefined) forAll.push(address)
    else if (tags.has(Number(tag))) (byTag[Number(tag)] ??= []).push(address)
    else {
      throw new OperatorError('REDIRECT', `No portal has the tag of '--redirect ${given}'`, {
        hint: 'write --portal 10.1.0.1,2 --redirect 2=10.0.0.9:3260',
      })
    }
  }
  return {
    ...(forAll.length > 0 && { redirect: { to: forAll, permanent } }),
    redirects: Object.fromEntries(Object.entries(byTag).map(([tag, to]) => [tag, { to, permanent }])),
  }
}
