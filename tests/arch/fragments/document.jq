# docs/powerpc-fragments.md, of the lab's results (build/results/fragments.json). $tables: what table.jq makes of them.
include "stats";

# The runs of one workload, those whose name begins so.
def runs($setting; $workload; $variant): [.measured[] | select(.setting == $setting and .variant == $variant and (.workload | startswith($workload)))];
def counter($setting; $workload; $variant; $name): runs($setting; $workload; $variant) | map(.counters[$name]) | median // "-";
def ms($setting; $workload; $variant): runs($setting; $workload; $variant) | map(.ms)
	| if length == 0 then "-" else "\(median | round) (\(min)-\(max))" end;
def peak($setting; $workload; $variant): runs($setting; $workload; $variant) | map(.peak_kb / 1024 * 10 | round / 10)
	| if length == 0 then "-" else "\(median) (\(min)-\(max))" end;
def seen($part): "| variant | where | seen | |\n|---|---|---|---|\n" + ([.judged[] | select(.part == $part) | "| \(.variant) | \(.setting) | \(.seen) | \(.how) |"] | join("\n"));

# One line for each workload: the two ways side by side.
def cost($setting): . as $all | [.measured[] | select(.setting == $setting) | .workload] | reduce .[] as $w ([]; if index($w) then . else . + [$w] end)
	| map(. as $w | $all | "| \($w | gsub(","; " ")) | \(ms($setting; $w; "merged")) | \(ms($setting; $w; "always-rcu")) | "
		+ "\(counter($setting; $w; "merged"; "rcu_queued")) | \(counter($setting; $w; "always-rcu"; "rcu_queued")) | "
		+ "\(counter($setting; $w; "always-rcu"; "rcu_twice")) | \(peak($setting; $w; "merged")) | \(peak($setting; $w; "always-rcu")) |") | join("\n");

# Each variant's run times beside merged's, workload by workload.
def comparisons: [.measured | group_by([.setting, .workload])[] | . as $all | map(select(.variant == "merged") | .ms) as $its
	| ("always-rcu", "merged-fixed", "always-rcu-fixed") as $variant | ($all | map(select(.variant == $variant) | .ms)) as $mine
	| select(($its | length) > 0 and ($mine | length) > 0)
	| { $variant, what: "\($all[0].workload | gsub(","; " ")) (\($all[0].setting))", percent: more($mine; $its), apart: apart($mine; $its) }];
# How many of $n comparisons of $runs runs that do not differ are apart all the same, on average.
def by_chance($n; $runs): reduce range(1; $runs + 1) as $i (2 * $n; . * $i / ($runs + $i)) | . * 10 | round / 10;

comparisons as $compared
| "# powerpc's page table fragments: the proposal, the merged code, and what both forget

Written by `make arch A=ppc64 LAB=fragments` on \(.date): \(.qemu), \(.runs) runs of each variant in turn. The text is
`tests/arch/fragments/document.jq`; all figures are those of that run. Times are of an emulated CPU: hold variants against each other
by them, not powerpc against anything.

A PTE table is 4 KiB with the hash MMU and 64 KiB pages, 256 bytes with radix: a fragment of a page, which others share. In June 2023
(linux-mm, \"[PATCH v2 05/12] powerpc: add pte_free_defer() for pgtables sharing page\") two ways were on the table to free such a
page only when no lockless walker can be in one of its fragments:

| variant | `pte_free_defer()` | the page, when its last fragment goes | `uml/patches/fragments/` |
|---|---|---|---|
| merged | sets the page's Active flag, frees the fragment | by `call_rcu()` if Active is set, else at once | none: 32cc0b7c9d50, the source as it is |
| always-rcu | frees the fragment | by `call_rcu()`, always | always-rcu.patch |

Nobody put them side by side. Here they are, with the mend of what went wrong in both (merged-fixed, always-rcu-fixed).

## In short

- The double wait of the proposal is real; what it costs is, mostly, less than the noise: of \($compared | length) comparisons with merged (workload, MMU, number of CPUs; \(.runs) runs of
  each) \($compared | map(select(.apart | not)) | length) are within noise, and so are \($compared | map(select(.variant == "always-rcu" and (.apart | not))) | length) of always-rcu's \($compared | map(select(.variant == "always-rcu")) | length).
  Apart are\($compared | map(select(.apart)) | if length == 0 then " none" else ": " + (map("\(.variant), \(.what): \(.percent | percent)") | join("; ")) end); chance alone would
  set \(by_chance($compared | length; .runs)) apart.
- It costs memory for the time of a grace period: up to \(counter("hash/2"; "munmap,1,"; "always-rcu"; "waiting_peak")) pages of 64 KiB when a process gives back 3000 tables at once.
- Both ways forget the same place, `pte_frag_destroy()`, and free a page under a lockless walker: found by this comparison, reproduced without a change to the
  kernel, mended by merged-fixed.patch in the one and always-rcu-fixed.patch in the other.
- With the proposal, PT_RECLAIM could be on for PTE tables. The levels above them cannot follow.

## The proposal, sentence by sentence

All figures of this section: hash MMU, 64 KiB pages, 2 CPUs; median and range.

> I was saying to make pte_fragment_free() unconditionally do the RCU. It is the only thing that uses the page->rcu_head

Still so. `struct ptdesc` has `pt_rcu_head` at 8..23 and `pt_frag_refcount` behind it, at 32; the lock is at 40; nothing of these overlaps. The patch takes
eleven lines away and adds six.

> and it means PPC would double RCU the final free on the TLB path

It does: of \(counter("hash/2"; "munmap,1,"; "always-rcu"; "rcu_queued")) pages that the munmap of one process gave to `call_rcu()`, \(counter("hash/2"; "munmap,1,"; "always-rcu"; "rcu_twice")) had
waited for a grace period in mmu_gather before; merged gave \(counter("hash/2"; "munmap,1,"; "merged"; "rcu_queued")) of \(counter("hash/2"; "munmap,1,"; "merged"; "pages_freed")) to it. One callback a page, where mmu_gather has one a batch.

> but that is probably OK for now

| workload | merged, ms | always-rcu, ms | to RCU, merged | to RCU, always-rcu | of these twice | page tables, peak MiB, merged | always-rcu |
|---|---|---|---|---|---|---|---|
\(cost("hash/2"))

A page waits \((counter("hash/2"; "munmap,1,"; "always-rcu"; "wait_us_avg") | if type == "number" then . / 1000 | round else . end)) ms on average from the drop of its last fragment to its free in the munmap of one process, at most
\((counter("hash/2"; "munmap,1,"; "always-rcu"; "wait_us_max") | if type == "number" then . / 1000 | round else . end)) ms; up to \(counter("hash/2"; "munmap,1,"; "always-rcu"; "waiting_peak")) pages wait at a time. Whether a difference of times is more than noise stands in the tables below.

> This means pte_free_defer() won't do anything special on PPC as PPC will always RCU free these things [...] Overall it is easier to reason about.

Easier, but not easy enough: as posted it left `pte_frag_destroy()` alone, and so did what was merged instead. See the next section.

> I looked at fixing the TLB stuff to avoid the double rcu but quickly got scared that ppc was using a kmem_cache to allocate other
> page table sizes so there is not a reliable struct page to get a rcu_head from.

Still so for PUD tables (`kmem_cache_alloc(PGT_CACHE(...))`); PMD tables are fragments of a page of their own kind, freed at once. It is what
made `v3` of the PT_RECLAIM series warn on munmap: [why-v4.md](why-v4.md).

> We'd have to teach the tlb code to not do its own RCU stuff for table levels that the arch is already RCU freeing

That is short where it matters for latency, the fallback for one table when no page can be had for the batch: pt-reclaim.patch has
`tlb_table_frees_by_rcu()` there. In the batch itself there is little to win: its grace period is one for up to 8190 tables, and those of
other levels need it.

> and that won't get us to full RCU freeing on PPC.

No. See \"Could PT_RECLAIM be on?\".

## A use-after-free that both ways leave

`pte_frag_destroy()` gives up what an mm that ends has left of its last page: the fragments that were never handed out. If those that
were are all freed, it is the one that frees the page, and it does so at once, though `pte_free_defer()` may have been given one of them
a moment ago. `exit_mmap()` calls it (`arch_exit_mmap()`) before the VMAs leave their file's `i_mmap`:

    CPU 0: fallocate(PUNCH_HOLE)        CPU 1: MADV_COLLAPSE, then exit

    unmap_mapping_range()
      i_mmap_lock_read()
      pte_offset_map_lock()
        rcu_read_lock()
        pmd = pmdp_get_lockless()
                                        retract_page_tables()
                                          pmdp_collapse_flush()
                                          pte_free_defer()
                                        exit_mmap()
                                          arch_exit_mmap()
                                            pte_frag_destroy()
                                              pagetable_free()
        spin_lock(pte_lockptr(pmd))  <- in the ptdesc of that page

Held in the window (window.patch: a reader that calls itself \"window\" stays between the PMD and the lock until the mm has ended):

\(seen("window"))

Without any change to the kernel, by configuration alone (`tests/arch/ppc64/race.config`: PREEMPT, DEBUG_SPINLOCK): processes that punch holes
run where nobody else wants the CPU, so that whoever wakes up there stops them anywhere, in the window, too; four others have tables for
the same files, lose them to MADV_COLLAPSE, and end. qemu is pinned to one CPU of the host:

\(seen("race"))

With DEBUG_SPINLOCK the lock is an object that the ptdesc points to, and the pointer is gone with the page. Without it the lock is a word of the
ptdesc, `page->private` once that page is somebody else's: 0 of nearly all pages, so that the reader takes a lock that nobody has, sees that the PMD has changed,
and lets it go. The bug is the same; it shows only when the page has become a part of a larger free one, as a lock that never comes free.

In gdb, without a change to the kernel either: `make arch A=ppc64 LAB=fragments GDB=1` (P=merged-fixed for the mended one) stops the reader in the
window, lets the other CPU run alone until it is back from `pte_frag_destroy()`, and shows the ptdesc before and after.

The mend asks the Active flag in `pte_frag_destroy()` as `pte_fragment_free()` does (merged-fixed.patch, ready for upstream: `tests/host/patches.sh`), or always
lets RCU free the page (always-rcu-fixed.patch). All workloads and the window in a kernel with PROVE_RCU, PAGE_POISONING, DEBUG_OBJECTS_RCU_HEAD,
PAGE_TABLE_CHECK and MEMCG:

\(seen("checks"))

(lockdep turns itself off while ppc64 boots, and with it PROVE_RCU: `DEBUG_LOCKS_WARN_ON(lockdep_hardirq_context())`. lockdep.patch silences that one check.)

## Beside it

- **The fallback for one table**, when mmu_gather finds no page for its batch (`inject`: \([.measured[] | select(.failed) | .failed] | median // 0) allocations failed in a boot, the median): each table
  then waits for a grace period of its own (`tlb_remove_table_sync_rcu()`) before it is dropped, and with always-rcu its page for one more.
- **khugepaged in place of MADV_COLLAPSE, and a memory control group of its own** are among the workloads of the checked kernels above: tables are
  uncharged when their page is freed, by RCU or not, and the group's charge comes back to 0.
- **The kernel's own tables** are fragments of pages of their own (`init_mm.context.pte_frag`), for which nobody calls `pte_frag_destroy()`: the
  use-after-free cannot happen to them. `pte_fragment_free()` frees theirs at once in merged (`kernel` is 1 there, whatever Active says); always-rcu
  has them wait as well, which the proposal did not ask for, and which costs a callback a page. With hash they are never freed; with radix they are where a huge mapping
  takes the place of small ones, here those of vmalloc's own test (`lib/test_vmalloc.c`) while the kernel boots, with page poisoning, and with 4 KiB pages,
  as it takes 256 tables to give back one of 64 KiB:

\(seen("kernel"))

## Could PT_RECLAIM be on?

For PTE tables, which is all that it frees: yes, as far as this goes. `pte_free_tlb()` hands the fragment to mmu_gather with index 0, the
batch waits for a grace period, `pte_fragment_free()` drops the fragment. What stands against it is one function, the fallback
`__tlb_remove_table_one()`, which takes a ptdesc for granted to have an rcu_head. pt-reclaim.patch keeps the fallback of today for the upper levels, and
frees a PTE fragment straight away, since over always-rcu-fixed it waits by itself:

\(seen("reclaim"))

What that still lacks: a page is freed when all of its fragments are, so that reclaim of every other table gives nothing back but VmPTE;
the upper levels (PUD tables have no struct page to put an rcu_head in) can never go that way; the other powerpc MMUs were not looked at.

## All measurements
\($tables)

\"Twice\": given to `call_rcu()` by a callback of RCU's, mmu_gather's. \"Within noise\": the ranges of the runs overlap. The mix ends after a time that is
given: its counters say how much was done.

![run times](powerpc-fragments.svg)
"
