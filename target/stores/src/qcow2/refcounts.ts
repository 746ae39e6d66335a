// SPDX-License-Identifier: Apache-2.0
// Reference counts of the file's clusters: who is free, taking clusters, and growing the tables of counts.
import { StoreError } from '@lunkit/target-api'
import { CachedTable, TableCache } from './cached-tables.ts'
import type { HostFile } from './host-file.ts'
import { type Geometry, write64 } from './layout.ts'
import type { MetadataClusters } from './metadata-clusters.ts'
import { Fault, othersTurn } from './parts.ts'
import { countAt, setCount } from './refcount-widths.ts'

/** Counts that are looked at in one turn of the event loop. */
const AT_ONCE = 65_536

export interface ClusterRun {
  readonly offset: number
  readonly count: number
  /** Never used since the file was made so long: it reads as zeros. */
  readonly fresh: boolean
}

/** What a commit writes of the refcount table: entries of blocks that are new, or a table in another place. */
export interface TakenRefcountTable {
  readonly tableOffset: number
  readonly entries: readonly (readonly [index: number, offset: number])[]
  readonly moved: { readonly offset: number; readonly clusters: number; readonly bytes: Buffer } | null
}

export class Refcounts {
  readonly blocks: TableCache
  readonly #geometry: Geometry
  readonly #file: HostFile
  readonly #metadata: MetadataClusters
  /** Places of the blocks; 0: none, and all its counts are 0. */
  #table: Float64Array
  #tableOffset: number
  #tableClusters: number
  #newEntries: number[] = []
  #moved = false
  /** No cluster before it is free. */
  #hint = 0
  /** From this cluster on nothing was ever used. */
  #end: number
  /** One at a time. */
  #turn: Promise<unknown> = Promise.resolve()
  /** Clusters of tables that were left behind when they moved. */
  readonly onLeft: (offset: number, clusters: number) => void

  constructor(
    geometry: Geometry,
    file: HostFile,
    metadata: MetadataClusters,
    table: { readonly offset: number; readonly entries: Float64Array },
    cache: number,
    relieve: () => Promise<void>,
    onLeft: (offset: number, clusters: number) => void,
  ) {
    this.#geometry = geometry
    this.#file = file
    this.#metadata = metadata
    this.#table = table.entries
    this.#tableOffset = table.offset
    this.#tableClusters = (table.entries.length * 8) / geometry.clusterSize
    this.#end = Math.ceil(file.size / geometry.clusterSize)
    const blocks = Math.max(4, Math.floor(cache / geometry.clusterSize))
    this.blocks = new TableCache(file, blocks, relieve)
    this.onLeft = onLeft
  }

  /** Clusters up to the last that was ever used, as far as is known. */
  get end(): number {
    return this.#end
  }

  /** Takes up to `most` neighbouring clusters, at least one. Rejects with Fault. */
  allocate(most: number): Promise<ClusterRun> {
    return this.#inTurn(() => this.#take(most))
  }

  /** Takes exactly so many neighbours, behind everything. Rejects with Fault. */
  allocateWhole(count: number): Promise<number> {
    return this.#inTurn(async () => {
      for (;;) {
        const run = await this.#takeWhole(count)
        if (run !== null) return run
      }
    })
  }

  /** Blocks that are missing come first, then the run. Null: something else had to be done, and it is to be called again. */
  async #takeWhole(count: number): Promise<number | null> {
    const { blockEntries, clusterSize } = this.#geometry
    const first = this.#end
    const firstBlock = Math.floor(first / blockEntries)
    let missing: number[] = []
    for (;;) {
      const lastBlock = Math.floor((first + missing.length + count - 1) / blockEntries)
      const found: number[] = []
      for (let i = firstBlock; i <= lastBlock; i++) if (!(this.#table[i]! > 0)) found.push(i)
      if (found.length === missing.length) break
      missing = found
    }
    const end = first + missing.length + count
    const lastBlock = Math.floor((end - 1) / blockEntries)
    if (lastBlock >= this.#table.length) {
      await this.#growTable()
      return null
    }
    await this.#file.reach(end * clusterSize)
    await this.#roomForBlocks()
    for (let i = firstBlock; i <= lastBlock; i++) if (this.#table[i]! > 0) await this.#loaded(i)
    const blocks = new Map<number, CachedTable>()
    for (let i = firstBlock; i <= lastBlock; i++) {
      if (!(this.#table[i]! > 0)) continue
      const block = this.blocks.peek(i)
      if (block === null) return null
      blocks.set(i, block)
    }
    for (const [i, index] of missing.entries()) blocks.set(index, this.#addBlock(index, first + i))
    for (let c = first; c < end; c++)
      this.#mark(blocks.get(Math.floor(c / blockEntries))!, c % blockEntries, 1)
    this.#end = end
    return (end - count) * clusterSize
  }

  /** References to a cluster. Rejects with Fault. */
  async count(cluster: number): Promise<number> {
    const { blockEntries, clusterSize, refcountBits } = this.#geometry
    const index = Math.floor(cluster / blockEntries)
    if (index >= this.#table.length || this.#table[index] === 0) return 0
    for (;;) {
      const block = this.blocks.peek(index)
      if (block !== null) return countAt(block.bytes, cluster % blockEntries, refcountBits)
      await this.blocks.load(index, this.#table[index]!, clusterSize)
    }
  }

  /**
   * Tells the count of each cluster before `end` that a block counts. Blocks may count far more than a file has, and a table have more of
   * them than anybody waits for. Rejects with Fault.
   */
  async each(end: number, tell: (cluster: number, count: number) => void): Promise<void> {
    const { blockEntries, refcountBits } = this.#geometry
    const blocks = Math.min(this.#table.length, Math.ceil(end / blockEntries))
    for (let index = 0; index < blocks; index++) {
      if (this.#table[index] === 0) continue
      const { bytes } = await this.#loaded(index)
      const base = index * blockEntries
      const slots = Math.min(blockEntries, end - base)
      for (let slot = 0; slot < slots; slot++) {
        if (slot % AT_ONCE === 0) await othersTurn()
        tell(base + slot, countAt(bytes, slot, refcountBits))
      }
    }
  }

  /** Other tables, which are in the file. Nothing may be under way. */
  replace(offset: number, entries: Float64Array, end: number): void {
    this.blocks.clear()
    this.#table = entries
    this.#tableOffset = offset
    this.#tableClusters = (entries.length * 8) / this.#geometry.clusterSize
    this.#hint = 0
    this.#end = end
  }

  /** The block of that cluster exists. */
  async set(cluster: number, count: number): Promise<void> {
    const { blockEntries, clusterSize } = this.#geometry
    const index = Math.floor(cluster / blockEntries)
    // Looked for again after each wait: a block that has left memory takes nothing.
    let block = this.blocks.peek(index)
    for (; block === null; block = this.blocks.peek(index))
      await this.blocks.load(index, this.#table[index]!, clusterSize)
    this.#mark(block, cluster % blockEntries, count)
    if (count === 0 && cluster < this.#hint) this.#hint = cluster
  }

  /** What is to be written of the table itself, as it is now. */
  take(): TakenRefcountTable {
    const entries = this.#moved ? [] : this.#newEntries.map(index => [index, this.#table[index]!] as const)
    const moved = this.#moved
      ? { offset: this.#tableOffset, clusters: this.#tableClusters, bytes: this.#tableBytes() }
      : null
    this.#newEntries = []
    this.#moved = false
    return { tableOffset: this.#tableOffset, entries, moved }
  }

  putBack({ entries, moved }: TakenRefcountTable): void {
    for (const [index] of entries) this.#newEntries.push(index)
    if (moved !== null) this.#moved = true
  }

  get isDirty(): boolean {
    return this.#moved || this.#newEntries.length > 0 || this.blocks.isDirty
  }

  async #take(most: number): Promise<ClusterRun> {
    const { blockEntries, clusterSize, refcountBits } = this.#geometry
    for (;;) {
      const index = Math.floor(this.#hint / blockEntries)
      const block = await this.#block(index, this.#hint)
      const base = index * blockEntries
      // A cluster before may have been freed meanwhile, or the block have left memory.
      if (this.#hint < base || this.blocks.peek(index) !== block) continue
      const isFree = (slot: number): boolean =>
        countAt(block.bytes, slot, refcountBits) === 0 && !this.#metadata.has(base + slot)
      let slot = this.#hint - base
      while (slot < blockEntries && !isFree(slot)) slot++
      if (slot >= blockEntries) {
        this.#hint = base + blockEntries
        continue
      }
      let count = 1
      while (count < most && slot + count < blockEntries && isFree(slot + count)) count++
      const first = base + slot
      const fresh = first >= this.#end
      // Unused room may lie before the end and behind it: what is said of the run holds for all of it.
      if (!fresh && first + count > this.#end) count = this.#end - first
      this.#hint = first
      await this.#file.reach((first + count) * clusterSize)
      // The block may have been written and left memory meanwhile.
      if (this.blocks.peek(index) !== block) continue
      for (let i = 0; i < count; i++) this.#mark(block, slot + i, 1)
      // A cluster that was freed meanwhile is before the hint, and stays known so.
      if (this.#hint === first) this.#hint = first + count
      this.#end = Math.max(this.#end, first + count)
      return { offset: first * clusterSize, count, fresh }
    }
  }

  #mark(block: CachedTable, slot: number, count: number): void {
    const { refcountBits } = this.#geometry
    setCount(block.bytes, slot, refcountBits, count)
    const from = Math.floor((slot * refcountBits) / 8)
    block.touch(from, from + Math.ceil(refcountBits / 8))
  }

  async #loaded(index: number): Promise<CachedTable> {
    for (;;) {
      const block = this.blocks.peek(index)
      if (block !== null) return block
      await this.blocks.load(index, this.#table[index]!, this.#geometry.clusterSize)
    }
  }

  /** The block with that index, made if there is none: in the cluster `free`, which it counts, or the next. */
  async #block(index: number, free: number): Promise<CachedTable> {
    const { blockEntries, clusterSize } = this.#geometry
    if (index >= this.#table.length) await this.#growTable()
    if (this.#table[index] !== 0) return this.#loaded(index)
    let cluster = Math.max(free, index * blockEntries)
    while (this.#metadata.has(cluster)) cluster++
    if (cluster >= (index + 1) * blockEntries)
      throw new Fault(StoreError.medium, `no free cluster among those that refcount block ${index} counts`)
    await this.#file.reach((cluster + 1) * clusterSize)
    return this.#newBlock(index, cluster)
  }

  async #newBlock(index: number, cluster: number): Promise<CachedTable> {
    await this.#roomForBlocks()
    return this.#addBlock(index, cluster)
  }

  /** Several that are made at once may be more than there is room for, until the next is wanted. */
  async #roomForBlocks(): Promise<void> {
    await this.blocks.reserve()
    this.blocks.unreserve()
  }

  /** All at once, so that no commit sees a part of it. */
  #addBlock(index: number, cluster: number): CachedTable {
    const { blockEntries, clusterSize } = this.#geometry
    const block = new CachedTable(index, cluster * clusterSize, Buffer.alloc(clusterSize))
    this.blocks.add(block)
    block.isNew = true
    block.touch(0, clusterSize)
    // With tables that have just grown, another block may count this one.
    if (Math.floor(cluster / blockEntries) === index) this.#mark(block, cluster % blockEntries, 1)
    this.#table[index] = block.offset
    this.#newEntries.push(index)
    this.#metadata.add(cluster)
    this.#end = Math.max(this.#end, cluster + 1)
    return block
  }

  /** Half as long again, in another place: behind all that it counts, with the blocks that count that place. */
  async #growTable(): Promise<void> {
    const { blockEntries, clusterSize } = this.#geometry
    const perCluster = clusterSize / 8
    const first = Math.max(this.#table.length * blockEntries, this.#end)
    const firstBlock = Math.floor(first / blockEntries)
    let clusters = Math.ceil((this.#tableClusters * 3) / 2) + 1
    let blocks = 1
    for (;;) {
      const lastBlock = Math.floor((first + blocks + clusters - 1) / blockEntries)
      const needBlocks = lastBlock - firstBlock + 1
      const needClusters = Math.max(clusters, Math.ceil((lastBlock + 1) / perCluster))
      if (needBlocks === blocks && needClusters === clusters) break
      blocks = needBlocks
      clusters = needClusters
    }
    await this.#file.reach((first + blocks + clusters) * clusterSize)
    await this.#roomForBlocks()
    const longer = new Float64Array(clusters * perCluster)
    longer.set(this.#table)
    const [oldOffset, oldClusters] = [this.#tableOffset, this.#tableClusters]
    this.#table = longer
    const made: CachedTable[] = []
    for (let i = 0; i < blocks; i++) made.push(this.#addBlock(firstBlock + i, first + i))
    this.#tableOffset = (first + blocks) * clusterSize
    this.#tableClusters = clusters
    this.#moved = true
    for (let c = first; c < first + blocks + clusters; c++)
      this.#mark(made[Math.floor(c / blockEntries) - firstBlock]!, c % blockEntries, 1)
    this.#metadata.addRun(this.#tableOffset, clusters * clusterSize, clusterSize)
    this.#end = Math.max(this.#end, first + blocks + clusters)
    this.onLeft(oldOffset, oldClusters)
  }

  #tableBytes(): Buffer {
    const bytes = Buffer.alloc(this.#table.length * 8)
    for (let i = 0; i < this.#table.length; i++)
      if (this.#table[i] !== 0) write64(bytes, i * 8, this.#table[i]!)
    return bytes
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(act)
    this.#turn = result.catch(() => {})
    return result
  }
}
