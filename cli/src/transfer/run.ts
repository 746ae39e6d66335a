// SPDX-License-Identifier: Apache-2.0
// One transfer as a command runs it: opens both ends, checks that it fits, shows progress, reports.
import type { ConnectOptions } from '@lunkit/initiator-driver-iscsi'
import { interruptible, printJson, showProgress } from '../output.ts'
import { formatBytes } from '../units.ts'
import { UsageError } from '../usage-error.ts'
import { openSink, openSource, type Sink, type Source, STANDARD_OUTPUT } from './endpoint.ts'
import { pump } from './pump.ts'

export interface TransferRequest {
  readonly source: string
  readonly sink: string
  readonly from: number
  readonly to: number
  readonly length: number | null
  readonly options: ConnectOptions
  readonly json: boolean
}

export async function transfer(request: TransferRequest): Promise<void> {
  const source = await openSource(request.source, request.options)
  try {
    const length = plannedLength(source, request)
    const sink = await openSink(request.sink, request.options)
    try {
      checkRoom(sink, request.to, length)
      await move(source, sink, length, request)
    } finally {
      await sink.close()
    }
  } finally {
    await source.close()
  }
}

function plannedLength(source: Source, { from, length }: TransferRequest): number | null {
  if (source.size === null) return length
  if (from > source.size || (length !== null && from + length > source.size)) {
    throw new UsageError(
      'OPTION_RANGE',
      `${source.label} has only ${source.size} bytes`,
      'ask for less with --offset and --length',
    )
  }
  return length ?? source.size - from
}

function checkRoom(sink: Sink, to: number, length: number | null): void {
  if (sink.size === null || to + (length ?? 0) <= sink.size) return
  throw new UsageError(
    'OPTION_RANGE',
    `${length} bytes from offset ${to} do not fit ${sink.label} of ${sink.size} bytes`,
    'make it larger, or write less',
  )
}

async function move(
  source: Source,
  sink: Sink,
  length: number | null,
  request: TransferRequest,
): Promise<void> {
  const bar = showProgress(length ?? 0, request.json)
  const started = performance.now()
  let bytes: number
  try {
    const { from, to } = request
    bytes = await pump(source, sink, { from, to, length, signal: interruptible(), onBytes: bar.advance })
  } finally {
    bar.end()
  }
  const seconds = (performance.now() - started) / 1000
  // Standard output may carry the data: words then go to standard error, and JSON nowhere.
  const carriesData = sink.label === STANDARD_OUTPUT
  if (request.json) {
    if (carriesData) return
    printJson({
      event: 'done',
      source: source.label,
      sink: sink.label,
      bytes,
      seconds: Number(seconds.toFixed(3)),
    })
    return
  }
  const rate = formatBytes(Math.round(bytes / Math.max(seconds, 0.001)))
  const words = carriesData ? process.stderr : process.stdout
  words.write(`${formatBytes(bytes)} moved in ${seconds.toFixed(1)} s (${rate}/s)\n`)
}
