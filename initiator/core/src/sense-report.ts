// SPDX-License-Identifier: Apache-2.0
// Sense data as a sentence: key, additional sense, and the block or field it points at.
import { hex, readSense, SenseKey, type SenseReport, senseText } from '@lunkit/spec'

export interface SenseInWords {
  readonly key: number
  readonly asc: number
  readonly ascq: number
  readonly text: string
}

/** What sense data say, in words; also of sense data that cannot be read. */
export function reportSense(sense: Uint8Array): SenseInWords {
  const report = readSense(sense)
  if (report === null) {
    const text =
      sense.length === 0
        ? 'no sense data came'
        : `unreadable sense data ${hex(sense, 0, Math.min(sense.length, 32))}`
    return { key: SenseKey.noSense, asc: 0, ascq: 0, text }
  }
  const { key, asc, ascq } = report
  return { key, asc, ascq, text: `${senseText(key, asc, ascq)}${details(report)}` }
}

function details(report: SenseReport): string {
  const parts: string[] = []
  if (report.information !== undefined) parts.push(information(report.key, report.information))
  if (report.fieldPointer !== undefined) {
    const { byte, bit, inCdb } = report.fieldPointer
    parts.push(`at byte ${byte}${bit < 0 ? '' : ` bit ${bit}`} of the ${inCdb ? 'CDB' : 'parameter data'}`)
  }
  if (report.progress !== undefined) parts.push(`${Math.floor((report.progress * 100) / 65_536)} % done`)
  if (report.deferred) parts.push('about an earlier command')
  if (report.filemark) parts.push('at a filemark')
  if (report.endOfMedium) parts.push('at the end of the medium')
  if (report.incorrectLength) parts.push('incorrect length')
  return parts.length === 0 ? '' : `, ${parts.join(', ')}`
}

/** INFORMATION is an LBA for errors of the medium, an offset for MISCOMPARE (SBC-4, sense data information field). */
function information(key: number, value: number): string {
  if (key === SenseKey.miscompare) return `at byte offset ${value}`
  if (key === SenseKey.mediumError || key === SenseKey.hardwareError || key === SenseKey.recoveredError) {
    return `at LBA ${value}`
  }
  return `information ${value}`
}
