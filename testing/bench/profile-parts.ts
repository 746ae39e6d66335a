// SPDX-License-Identifier: Apache-2.0
// Sorts the samples of a profile by what the processor was doing: the kernel's work, Node's, and each part of lunkit.
import { table } from './table.ts'

/** One frame of a stack: a symbol, and the program or library that it is from. */
interface Frame {
  readonly symbol: string
  readonly from: string
}

export interface Share {
  readonly part: string
  /** Of the samples, 0 to 1. */
  readonly share: number
  /** Microseconds of processor time a command. */
  readonly cost: number
}

/** What the kernel does, by a function on the way there; the first row that fits. */
const KERNEL: readonly (readonly [string, RegExp])[] = [
  ['Kernel: reading the file', /^(do_preadv|vfs_readv|filemap_read|ksys_pread64|__x64_sys_pread)/],
  [
    'Kernel: writing to the socket',
    /^(do_writev|vfs_writev|sock_write_iter|__sys_sendmsg|tcp_sendmsg|ksys_write)/,
  ],
  ['Kernel: reading from the socket', /^(sock_read_iter|tcp_recvmsg|ksys_read|vfs_read|__sys_recvmsg)$/],
  ['Kernel: waiting for events', /epoll/],
]
const KERNEL_REST = 'Kernel: the rest'

/** JavaScript, by the file that it is from. */
const FILES: readonly (readonly [string, RegExp])[] = [
  ["Node's JavaScript: streams and sockets", /\bnode:/],
  ['iSCSI driver: framer', /drivers\/iscsi\/src\/framer/],
  [
    'iSCSI driver: what comes in',
    /drivers\/iscsi\/src\/(inbound\/|command-window|task-table|iscsi-task|early-data|write-data)/,
  ],
  [
    'iSCSI driver: what goes out',
    /drivers\/iscsi\/src\/(outbound\/|send-queue|gather|answer-task|response-fence)/,
  ],
  ['iSCSI driver: the rest', /drivers\/iscsi\/src\//],
  ['Engine', /target\/engine\//],
  ['Disk device', /target\/devices\//],
  ['Store', /target\/stores\//],
  ['Task and buffers', /target\/api\//],
  ['Fields of the standards', /\/spec\//],
]
const JS_REST = 'JavaScript: the rest'
const NATIVE = "Node's C++ and libuv"
const KOFFI = 'koffi: the call of preadv2'
const COLLECTION = 'V8: collecting garbage'
const COMPILING = 'V8: compiling'
const UNKNOWN = 'Unknown'

const IN_COLLECTION = /Heap|Scaveng|MarkCompact|Sweeper|GlobalHandles::|ArrayBufferSweeper/
const IN_COMPILING = /internal::(compiler::|maglev::|baseline::|Compiler::|interpreter::|Optimiz)/

function partOf(stack: readonly Frame[]): string {
  if (stack[0]!.from.includes('kernel'))
    return KERNEL.find(([, way]) => stack.some(({ symbol }) => way.test(symbol)))?.[0] ?? KERNEL_REST
  if (stack.some(({ symbol }) => IN_COMPILING.test(symbol))) return COMPILING
  for (const { symbol, from } of stack) {
    // What V8 made itself, and the C library, work for whoever called them.
    if (symbol.startsWith('Builtins_') || from.includes('libc') || from.includes('libstdc++')) continue
    if (symbol.startsWith('JS:')) return FILES.find(([, file]) => file.test(symbol))?.[0] ?? JS_REST
    if (from.endsWith('koffi.node')) return KOFFI
    if (IN_COLLECTION.test(symbol)) return COLLECTION
    if (/node/.test(from)) return NATIVE
  }
  return UNKNOWN
}

/** Reads what `perf script -F ip,sym,dso` prints: a stack a paragraph, leaf first. `cost`: microseconds a command in all. */
export function sortSamples(text: string, cost: number): Share[] {
  const counts = new Map<string, number>()
  let total = 0
  for (const paragraph of text.split(/\n\s*\n/)) {
    const stack = paragraph.split('\n').flatMap(readFrame)
    if (stack.length === 0) continue
    const part = partOf(stack)
    counts.set(part, (counts.get(part) ?? 0) + 1)
    total++
  }
  const shares = [...counts].map(([part, count]) => ({
    part,
    share: count / total,
    cost: (count / total) * cost,
  }))
  return shares.toSorted((a, b) => b.share - a.share)
}

function readFrame(line: string): Frame[] {
  const parts = /^\s+[0-9a-f]+ (.*) \(([^()]*|\[[^\]]*\])\)$/.exec(line)
  return parts === null ? [] : [{ symbol: parts[1]!, from: parts[2]! }]
}

export function profileTable({ case: name, shares }: { case: string; shares: readonly Share[] }): string {
  const rows = shares.map(({ part, share, cost }) => [part, `${(share * 100).toFixed(1)} %`, cost.toFixed(2)])
  const total = shares.reduce((sum, { cost }) => sum + cost, 0)
  return `${name}: ${total.toFixed(2)} µs of processor time a command.\n\n${table(['Part', 'Share', 'µs'], rows)}`
}
