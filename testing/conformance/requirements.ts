// SPDX-License-Identifier: Apache-2.0
// Reads the requirement tags of the tree's tests: which test shows which rule of which document.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { files, ROOT } from '../../architecture/sources.ts'

/** Documents that a tag may name, in the order of the page. */
const DOCUMENTS = [
  'SAM-5',
  'SPC-2',
  'SPC-3',
  'SPC-4',
  'SPC-5',
  'SBC-3',
  'SBC-4',
  'MMC-6',
  'RFC 7143',
  'RFC 7144',
  'RFC 4171',
] as const
export type Document = (typeof DOCUMENTS)[number]

export interface Requirement {
  readonly document: Document
  /** Title of the clause. */
  readonly clause: string
  /** What has to hold, in words of our own. */
  readonly text: string
  /** File of the test, from the tree's root, and its title or the name of its row. */
  readonly file: string
  readonly test: string
}

/** Without a text the title of the test says it. */
const TAG = /^\s*\/\/ Requirement: ([^,]+), ([^:]+?)\.?(?:: (.+))?$/
const COMMENT = /^\s*\/\/ ?(.*)$/
/** The first literal of a line: the title of a test, or the name of a row in a table of cases. */
const TITLE = /(['"`])((?:\\.|(?!\1).)+)\1/

/** Tags of one source, each with the test that follows it. Throws if a tag is malformed or stands before no test. */
export function requirementsIn(file: string, source: string): Requirement[] {
  const lines = source.split('\n')
  const found: Requirement[] = []
  let open: { document: Document; clause: string; text: string }[] = []
  const wrong = (line: number, what: string): never => {
    throw new Error(`${file}:${line + 1}: ${what}`)
  }
  lines.forEach((line, at) => {
    const tag = TAG.exec(line)
    if (tag !== null) {
      const [, document, clause, text] = tag
      for (const one of document!.split(' and ')) {
        if (!DOCUMENTS.includes(one as Document)) wrong(at, `no document ${one} is known`)
        open.push({ document: one as Document, clause: clause!, text: text ?? '' })
      }
      return
    }
    if (/^\s*\/\/ Requirement\b/.test(line)) wrong(at, 'not // Requirement: DOCUMENT, CLAUSE TITLE: TEXT')
    if (open.length === 0) return
    const comment = COMMENT.exec(line)
    if (comment !== null) {
      open[open.length - 1]!.text += ` ${comment[1]!.trim()}`
      return
    }
    const title = TITLE.exec(line)?.[2]
    if (title === undefined) return
    const name = title.replaceAll('\\', '')
    found.push(...open.map(one => ({ ...one, text: one.text.trim() || name, file, test: name })))
    open = []
  })
  if (open.length > 0) wrong(lines.length - 1, 'a requirement stands before no test')
  return found
}

/** The clause of a tag that names rules of RFC 7143 by their numbers: they have a page of their own. */
const RULE = /^\S+\/\d+( and \S+\/\d+)*$/

/** All tags of the tree. */
function allTags(): Requirement[] {
  return files('.test.ts', '-cases.ts', '-suite.ts')
    .filter(file => !file.endsWith('conformance/requirements.test.ts'))
    .flatMap(file => requirementsIn(file, readFileSync(join(ROOT, file), 'utf8')))
}

/** Those of this page. */
export const requirements = (): Requirement[] => allTags().filter(({ clause }) => !RULE.test(clause))

/** Tests by the number of the rule of RFC 7143 that they show. */
export function ruleTests(): ReadonlyMap<string, readonly Requirement[]> {
  const found = new Map<string, Requirement[]>()
  for (const one of allTags()) {
    if (one.document !== 'RFC 7143' || !RULE.test(one.clause)) continue
    for (const id of one.clause.split(' and ')) found.set(id, [...(found.get(id) ?? []), one])
  }
  return found
}

export const cell = (text: string): string => text.replaceAll('|', '\\|')

/** The page that lists them. */
export function pageOf(all: readonly Requirement[]): string {
  const key = (one: Requirement): string => [one.clause, one.text, one.file, one.test].join('\n')
  const sections = DOCUMENTS.map(document => {
    const rows = all
      .filter(one => one.document === document)
      .sort((a, b) => (key(a) < key(b) ? -1 : 1))
      .map(({ clause, text, file, test }) => `| ${clause} | ${cell(text)} | [${cell(test)}](../../${file}) |`)
    if (rows.length === 0) return ''
    return `\n## ${document}\n\n| Clause | Requirement | Test |\n|---|---|---|\n${rows.join('\n')}\n`
  })
  return `# Requirements and the tests that show them

Made from the tags in the tests by \`testing/conformance/requirements.test.ts\`: ${all.length} requirements, each with the clause of
the standard by its title, and a test that fails if it does not hold. How to tag is in the [README](README.md). The rules
of RFC 7143 are gone through one by one in [rfc7143.md](rfc7143.md).
${sections.join('')}`
}
