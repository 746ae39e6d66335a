// SPDX-License-Identifier: Apache-2.0
// The filter overlay: what is written is kept in memory or in a file of its own, and the store below stays as it is.
import {
  type BackingStore,
  type FilterType,
  OperatorError,
  type ParameterTable,
  type ParameterValues,
} from '@lunkit/target-api'
import { isGrain, LEAST_GRAIN, MOST_GRAIN, MOST_GRAINS } from './grain-map.ts'
import { Budget, MemoryChanges } from './memory-changes.ts'
import { portControls, sharedControls } from './overlay-controls.ts'
import { OverlayStore } from './overlay-store.ts'
import { resize } from './resize.ts'
import { baseView, PortViews, SharedView } from './views.ts'

/** Where no size of grains is given, there are no more than this. */
const USUAL_GRAINS = 2 ** 28

const parameters = {
  upper: {
    type: 'path',
    help: 'Sparse file that keeps the changes, created if it does not exist; else they are in memory',
  },
  from: { type: 'path', help: 'Frozen file of changes that a new upper= goes on from' },
  most: {
    type: 'size',
    help: 'Most bytes of changes in memory, of each initiator with per=initiator',
    initial: 256 << 20,
  },
  per: {
    type: 'string',
    help: 'Whose the changes are: one for the unit, or one for each initiator port',
    choices: ['unit', 'initiator'],
    initial: 'unit',
  },
  ports: {
    type: 'integer',
    help: 'Most initiator ports with changes, with per=initiator',
    initial: 16,
    least: 1,
  },
  grain: {
    type: 'size',
    help: 'Bytes that are kept together, a power of 2 from 512 to 1M (4096 up to 1 TiB)',
  },
  moved: { type: 'boolean', help: 'Take upper= though the store below has another name now', initial: false },
} as const satisfies ParameterTable

export const filter: FilterType = {
  apiVersion: 1,
  name: 'overlay',
  parameters,
  open: async (below, values) => {
    check(values)
    const grain = grainOf(below, values['grain'])
    if (values['per'] === 'initiator') return openPerPort(below, grain, values)
    return values['upper'] === undefined
      ? openInMemory(below, grain, values)
      : openInFile(below, grain, values)
  },
}

async function openInMemory(
  below: BackingStore,
  grain: number,
  values: ParameterValues,
): Promise<BackingStore> {
  const budget = new Budget(mostOf(values, grain), grain)
  const views = new SharedView({ ...baseView(below, grain), layers: [new MemoryChanges(grain, budget)] })
  const store = new OverlayStore(views, {
    below,
    size: below.size,
    grain,
    identity: '',
    volatileCache: false,
    perNexus: false,
    note: '',
  })
  store.resize = size => resize(store, views, size)
  const controls = sharedControls(store, views, async () => new MemoryChanges(grain, budget))
  store.controls = { ...below.controls, ...controls }
  return store
}

async function openPerPort(
  below: BackingStore,
  grain: number,
  values: ParameterValues,
): Promise<BackingStore> {
  const views = new PortViews(baseView(below, grain), {
    most: mostOf(values, grain),
    ports: Number(values['ports'] ?? parameters.ports.initial),
  })
  const store = new OverlayStore(views, {
    below,
    size: below.size,
    grain,
    identity: '',
    volatileCache: false,
    perNexus: true,
    note: '',
  })
  store.controls = { ...below.controls, ...portControls(store, views) }
  return store
}

async function openInFile(
  below: BackingStore,
  grain: number,
  values: ParameterValues,
): Promise<BackingStore> {
  const { openUpper } = await import('./open-upper.ts')
  const path = String(values['upper'])
  const moved = values['moved'] === true
  const from = values['from']
  const layers = await openUpper(path, {
    below,
    grain,
    moved,
    ...(from !== undefined && { from: String(from) }),
  })
  const [top] = layers
  const views = new SharedView({
    ...baseView(below, top!.header.grain),
    size: top!.sizes.size,
    layers,
  })
  const store = new OverlayStore(views, {
    below,
    size: top!.sizes.size,
    grain: top!.header.grain,
    identity: `overlay:${top!.data.identity}`,
    volatileCache: top!.data.volatileCache,
    perNexus: false,
    note: top!.data.note ?? '',
  })
  store.resize = size => resize(store, views, size)
  const controls = sharedControls(store, views, async (next, view) => {
    const [made] = await openUpper(next!, {
      below,
      grain: view.grain,
      parent: view.layers[0] as (typeof layers)[0],
    })
    return made!
  })
  store.controls = { ...below.controls, ...controls }
  return store
}

function check(values: ParameterValues): void {
  const unfit = (message: string, hint: string): OperatorError =>
    new OperatorError('OVERLAY_KEYS', `Overlay: ${message}`, { hint })
  if (values['per'] === 'initiator' && values['upper'] !== undefined)
    throw unfit('changes of each initiator are kept in memory only', 'leave away upper= or per=initiator')
  if (values['from'] !== undefined && values['upper'] === undefined)
    throw unfit("'from' needs a file for the changes from now on", 'add upper=')
}

function mostOf(values: ParameterValues, grain: number): number {
  const most = Number(values['most'] ?? parameters.most.initial)
  if (most >= grain) return most
  throw new OperatorError('OVERLAY_MOST', `Overlay: ${most} bytes keep no change of ${grain}`, {
    hint: `give most=${grain} or more`,
  })
}

function grainOf({ size }: BackingStore, given: string | number | boolean | undefined): number {
  let grain = Number(given ?? 4096)
  if (given === undefined) while (size / grain > USUAL_GRAINS && grain < MOST_GRAIN) grain *= 2
  if (isGrain(grain, size)) return grain
  throw new OperatorError('OVERLAY_GRAIN', `Overlay: ${grain} bytes are no grain for a disk of ${size}`, {
    hint: `give a power of 2 from ${LEAST_GRAIN} to ${MOST_GRAIN} that cuts the disk into no more than ${MOST_GRAINS}`,
  })
}
