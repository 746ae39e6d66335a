// SPDX-License-Identifier: Apache-2.0
// Another size for an overlay, whatever that of the store below is.
import { OperatorError, StoreError } from '@lunkit/target-api'
import { ask } from './ask.ts'
import { isGrain, MOST_GRAINS } from './grain-map.ts'
import type { OverlayStore } from './overlay-store.ts'
import type { SharedView } from './views.ts'

/**
 * What is behind the store below reads as zeros. What is cut off is zeroed first, so that neither bytes below nor older changes come
 * back with a later growth. Rejects with OperatorError.
 */
export async function resize(store: OverlayStore, views: SharedView, size: number): Promise<void> {
  const { grain } = views.view
  if (!isGrain(grain, size)) {
    throw new OperatorError('OVERLAY_SIZE', `An overlay with grains of ${grain} cannot have ${size} bytes`, {
      hint: `give 1 to ${MOST_GRAINS * grain} bytes`,
    })
  }
  if (size < store.size) {
    const { error } = await ask(store, 'writeZeroes', { offset: size, length: store.size - size })
    if (error !== StoreError.none) {
      throw new OperatorError('OVERLAY_SIZE', 'Overlay: what is to be cut off could not be zeroed', {
        hint: error === StoreError.noSpace ? 'there is no room for changes' : 'check the storage',
      })
    }
  }
  await store.gate.alone(async () => {
    await views.top.resize(size)
    views.view = { ...views.view, size }
    store.size = size
  }, store.again)
}
