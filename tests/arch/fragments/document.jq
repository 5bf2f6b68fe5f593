# docs/powerpc-fragments.md, of the lab's results (build/results/fragments.json). $tables: what table.jq makes of them.
include "stats";

# The runs of one workload, those whose name begins so.
def runs($setting; $workload; $variant): [.measured[] | select(.setting == $setting and .variant == $variant and (.workload | startswith($workload)))];
def counter($setting; $workload; $variant; $name): runs($setting; $workload; $variant) | map(.counters[$name]) | median // "-";
# Of what is a maximum in each run, that of all.
def most($setting; $workload; $variant; $name): runs($setting; $workload; $variant) | map(.counters[$name]) | max // "-";
def ms: if type == "number" then . / 1000 | round else . end;
def range_of(f): map(f) | if length == 0 then "-" else "\(median) (\(min)-\(max))" end;
def times($setting; $workload; $variant): runs($setting; $workload; $variant) | range_of(.ms);
def peak($setting; $workload; $variant): runs($setting; $workload; $variant) | range_of(.peak_kb / 1024 * 10 | round / 10);
def seen($part): "| variant | where | seen | what was counted |\n|---|---|---|---|\n" + ([.judged[] | select(.part == $part) | "| \(.variant) | \(.setting) | \(.seen) | \(.how) |"] | join("\n"));
def words: gsub(","; " ");

# One line for each workload: the two ways side by side, and the one that mmu_gather was taught.
def cost($setting): . as $all | ([.measured[] | select(.setting == $setting)] | map(.workload) | distinct)
	| map(. as $w | $all | "| \($w | words) | \(times($setting; $w; "merged")) | \(times($setting; $w; "always-rcu")) | \(times($setting; $w; "always-rcu-taught")) | "
		+ (["merged", "always-rcu", "always-rcu-taught"] | map(. as $v | $all | "\(counter($setting; $w; $v; "rcu_queued")) / \(counter($setting; $w; $v; "rcu_twice"))") | join(" | "))
		+ " | \(peak($setting; $w; "merged")) | \(peak($setting; $w; "always-rcu")) |") | join("\n");

# Each variant's run times beside merged's, workload by workload; without the mix, whose time is given, and without injection, where one waits
# for grace periods in place.
def comparisons: [.measured | map(select(.workload | startswith("mix") or startswith("inject") | not)) | group_by([.setting, .workload])[] | . as $all
	| ($all | map(select(.variant == "merged") | .ms)) as $its
	| ([$all[].variant] | unique - ["merged"])[] as $variant | ($all | map(select(.variant == $variant) | .ms)) as $mine
	| select(($its | length) > 0 and ($mine | length) > 0)
	| { $variant, setting: $all[0].setting, what: "\($all[0].workload | words) (\($all[0].setting))", percent: more($mine; $its), ratio: (($mine | median) / ($its | median)), apart: apart($mine; $its) }];
# How many of $n comparisons of $runs runs that do not differ are apart all the same, on average.
def by_chance($n; $runs): reduce range(1; $runs + 1) as $i (2 * $n; . * $i / ($runs + $i)) | . * 10 | round / 10;
# A line for each variant: how its times stand to merged's in all.
def in_all: group_by(.variant)[] | "| \(.[0].variant) | \(map(.ratio) | mean_more | percent) | \(map(select(.ratio > 1)) | length) of \(length) | \(map(select(.apart)) | length) | \(map(select(.apart) | "\(.what): \(.percent | percent)") | join("; ")) |";
# What the mix has done in its time, beside merged's.
def mixed($variant): [.measured | map(select(.workload | startswith("mix"))) | group_by(.setting)[]
	| (map(select(.variant == "merged") | .counters.fragments_freed) | median) as $its | (map(select(.variant == $variant) | .counters.fragments_freed) | median) as $mine
	| select($its and $mine) | $mine / $its] | if length == 0 then "-" else mean_more | percent end;

# When it was measured, and what was done again later.
def when: ([.judged[] | select(.part == "measure").date][0] // .date) as $measured
	| $measured + ([.judged[] | select(.date != $measured)] | group_by(.date) | map("; \(map(.part) | unique | join(" and ")) again on \(.[0].date)") | join(""));

. as $lab | comparisons as $compared | ($compared | map(select(.variant == "always-rcu"))) as $proposal | ($compared | map(select(.variant == "always-rcu-taught"))) as $taught
| "# powerpc's page table fragments: the proposal, the merged code, and what neither covers

Written by `make arch A=ppc64 LAB=fragments` on \(when): \(.qemu), \(.runs) runs of each variant in turn, each begun with another one. The text is
`tests/arch/fragments/document.jq`; all figures are of those runs. The CPU is emulated: compare variants with each other,
not with real hardware. Linux 7.3.4 with HZ=250, PREEMPT_LAZY without PREEMPT_RCU, simple spinlocks.

Jason, Hugh: both ways built, measured, and one bug in both.

A PTE table is 4 KiB with the hash MMU and 64 KiB pages, 256 bytes with radix: a fragment of a page, which others share. In June 2023
(linux-mm, \"[PATCH v2 05/12] powerpc: add pte_free_defer() for pgtables sharing page\") two ways were on the table to free such a
page only when no lockless walker can be in one of its fragments:

| variant | `pte_free_defer()` | the page, when its last fragment goes | `uml/patches/fragments/` |
|---|---|---|---|
| merged | sets the page's Active flag, frees the fragment | by `call_rcu()` if Active is set, else at once | none: the source as it is, 32cc0b7c9d50 and fda4d71651f7 |
| always-rcu | frees the fragment | by `call_rcu()`, always | always-rcu.patch |
| merged-fixed, always-rcu-fixed | | the same, in `pte_frag_destroy()`, too | merged-fixed.patch, always-rcu-fixed.patch |
| always-rcu-taught | | the same, and mmu_gather does not wait before | one-table.patch, batch.patch |

always-rcu differs from the posted diff in one thing: a page of the kernel's own tables has its destructor run, as in the merged code.

## In short

- Every page that munmap frees waits for two grace periods with the proposal (\(counter("hash/2"; "munmap,1,"; "always-rcu"; "rcu_twice")) of \(counter("hash/2"; "munmap,1,"; "always-rcu"; "pages_freed")) below), and up to \(most("hash/2"; "munmap,1,"; "always-rcu"; "waiting_peak") | if type == "number" then "\(.) pages of 64 KiB wait at a time, \(. / 16 | round) MiB" else . end).
- Run times of always-rcu beside merged's: \($proposal | map(.ratio) | mean_more | percent) (geometric mean of \($proposal | length) comparisons; longer in \($proposal | map(select(.ratio > 1)) | length)), with 2 CPUs \($proposal | map(select(.setting | endswith("/2")) | .ratio) | mean_more | percent). With 2 CPUs always-rcu-fixed, which does the same work, has \($compared | map(select(.variant == "always-rcu-fixed" and (.setting | endswith("/2"))) | .ratio) | mean_more | percent),
  merged-fixed, which does merged's, \($compared | map(select(.variant == "merged-fixed" and (.setting | endswith("/2"))) | .ratio) | mean_more | percent). What variants with the same work differ by is noise, and a difference of that size cannot be told from it.
- mmu_gather can be taught to leave the wait to the page (always-rcu-taught): no page waits twice then. Its run times: \($taught | map(.ratio) | mean_more | percent) over \($taught | length) comparisons, with 2 CPUs.
- Neither way covers `pte_frag_destroy()`, which frees a page under a lockless walker: found by this comparison, reproduced without a change of a source
  file, mended by merged-fixed.patch in the one and always-rcu-fixed.patch in the other.
- With the proposal PT_RECLAIM could be on for PTE tables; with the hash MMU lazy MMU mode has to end first. It would give back less than it
  seems: tables that stay hold their page.

## The proposal, sentence by sentence

All figures of this section: hash MMU, 64 KiB pages, 2 CPUs; median and range.

> I was saying to make pte_fragment_free() unconditionally do the RCU. It is the only thing that uses the page->rcu_head

Still so. `struct ptdesc` has `pt_rcu_head` at 8..23 and `pt_frag_refcount` behind it, at 32; the lock is at 40; nothing of these overlaps. What
the diff's comment says of `lru` holds for what is there today, `pt_list`: nobody uses it for a page of fragments. The patch takes eleven lines away and adds six.

> and it means PPC would double RCU the final free on the TLB path

It does: of \(counter("hash/2"; "munmap,1,"; "always-rcu"; "rcu_queued")) pages that the munmap of one process gave to `call_rcu()`, \(counter("hash/2"; "munmap,1,"; "always-rcu"; "rcu_twice")) had
waited for a grace period in mmu_gather before; merged gave \(counter("hash/2"; "munmap,1,"; "merged"; "rcu_queued")) of \(counter("hash/2"; "munmap,1,"; "merged"; "pages_freed")) to it. One callback a page, where mmu_gather has one a batch.

> but that is probably OK for now

Hugh did not think so: \"I'm not so keen on the double-RCU, extending this call_rcu() to all the normal cases, while still leaving the TLB
batching in place\". Pages given to `call_rcu()` / of these, those that had waited before:

| workload | merged, ms | always-rcu, ms | taught, ms | RCU / twice, merged | always-rcu | taught | page tables, peak MiB, merged | always-rcu |
|---|---|---|---|---|---|---|---|---|
\(cost("hash/2"))

A page waits \(counter("hash/2"; "munmap,1,"; "always-rcu"; "wait_us_avg") | ms) ms on average from the drop of its last fragment to its free in the munmap of one process, \(most("hash/2"; "munmap,1,"; "always-rcu"; "wait_us_max") | ms) ms
at most. All run times, of all MMUs and numbers of CPUs, beside merged's:

| variant | geometric mean of the medians | longer in | apart in | which |
|---|---|---|---|---|
\([$compared | in_all] | join("\n"))

\"Apart\": no run of the one within the range of the other; without `inject`, which has a paragraph of its own below; of \($compared | length) comparisons of \(.runs) runs, chance alone sets \(by_chance($compared | length; .runs)) apart. The mix ends by the clock; the fragments that
it freed until then: \([$compared[].variant] | unique | map(. as $v | "\(.) \($lab | mixed($v))") | join(", ")).

> This means pte_free_defer() won't do anything special on PPC as PPC will always RCU free these things, this address the defer concern too, I think.

For `pte_fragment_free()`, yes. Not for `pte_frag_destroy()`: see the next section.

> Overall it is easier to reason about.

Easier, but incomplete: as posted it left `pte_frag_destroy()` alone, and so did what was merged instead.

> I looked at fixing the TLB stuff to avoid the double rcu but quickly got scared that ppc was using a kmem_cache to allocate other
> page table sizes so there is not a reliable struct page to get a rcu_head from. This looks like the main challenge for ppc...

Still so for PUD tables (`kmem_cache_alloc(PGT_CACHE(...))`); PMD tables are fragments of a page of their own kind, freed at once by mmu_gather's callback. It is a challenge
for who wants an rcu_head of each table. What `v3` of the PT_RECLAIM series warned of on munmap is another thing, an rcu_head in the table itself, at
an address that the level's index has misaligned: [why-v4.md](why-v4.md).

> We'd have to teach the tlb code to not do its own RCU stuff for table levels that the arch is already RCU freeing

Done, in two small patches, since the index in a pointer's low bits tells its level. one-table.patch: no grace period in place where mmu_gather has no page
for a batch. batch.patch: what waits by itself is freed once the TLB is flushed (with hash no hardware walks these tables; radix is flushed
before), the batch's grace period is for the rest. Fragments are never handed out again, so that a walker finds what was there until the page goes. Above:
always-rcu-taught, \(counter("hash/2"; "munmap,1,"; "always-rcu-taught"; "rcu_twice")) of \(counter("hash/2"; "munmap,1,"; "always-rcu-taught"; "rcu_queued")) pages twice in the munmap of one process, and it waits
\(counter("hash/2"; "munmap,1,"; "always-rcu-taught"; "wait_us_avg") | ms) ms. One callback a page remains, one a batch is gone where a batch has PTE tables only.

> and that won't get us to full RCU freeing on PPC.

No. See \"Could PT_RECLAIM be on?\".

## A use-after-free that both ways leave

`pte_frag_destroy()` gives up what an mm that ends has left of its last page: the fragments that were never handed out. If those that
were are all freed, it is the one that frees the page, and it does so at once, though `pte_free_defer()` may have been given one of them
a moment ago. `exit_mmap()` calls it (`arch_exit_mmap()`, `destroy_pagetable_cache()`) before the VMAs leave their file's `i_mmap`:

    CPU 0: fallocate(PUNCH_HOLE)        CPU 1: MADV_COLLAPSE (anybody's), then the victim's exit

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

`hash__pmdp_collapse_flush()` waits for walkers by IPI (`serialize_against_pte_lookup()`), but only for CPUs that the mm has run on, and for those that have interrupts
off; this one is on a CPU of another mm, with interrupts on. radix does not wait at all. `pmd_frag_destroy()`, called beside it, is safe by reading: PMD fragments are
freed by mmu_gather alone, and hold their reference until its grace period is over. fda4d71651f7 (\"Fix bad page state in pte_frag_destroy\") saw the
flag that is left set there, and clears it, on the ground that the mm is exiting: the walker is somebody else's.

How many pages `pte_frag_destroy()` frees too early is in the counters: of the pages freed in `collapse` (hash, 2 CPUs) merged gave
\(counter("hash/2"; "collapse,"; "merged"; "rcu_queued")) of \(counter("hash/2"; "collapse,"; "merged"; "pages_freed")) to RCU, merged-fixed \(counter("hash/2"; "collapse,"; "merged-fixed"; "rcu_queued")) of \(counter("hash/2"; "collapse,"; "merged-fixed"; "pages_freed")).

Held in the window (window.patch: a reader that calls itself \"window\" stays between the PMD and the lock until the mm has ended):

\(seen("window"))

Without a change of a source file, with PREEMPT and DEBUG_SPINLOCK (`tests/arch/ppc64/race.config`): processes that punch holes
run where nobody else wants the CPU, so that whoever wakes up there stops them anywhere, in the window, too; four others have tables for
the same files, lose them to MADV_COLLAPSE, and end. All are on one CPU of four of the guest, CPUs keep few pages to themselves
(vm.percpu_pagelist_high_fraction=1000000), and qemu is pinned to one CPU of the host:

\(seen("race"))

With DEBUG_SPINLOCK the lock is an object that the ptdesc points to, and the pointer is gone with the page. Without it the lock is a word of
`page->private`, which is 0 as soon as the page is free: the reader mostly takes a lock that nobody has, writes to a page that is no table, sees that the PMD
has changed and lets go. It shows only where that page is somebody else's meanwhile.

In gdb, without a change to the kernel either: `make arch A=ppc64 LAB=fragments GDB=1` (P=merged-fixed for the mended one) stops the reader in the
window, lets the other CPU run alone until it is back from `pte_frag_destroy()`, and shows the ptdesc before and after.

The mend asks the Active flag in `pte_frag_destroy()` as `pte_fragment_free()` does (merged-fixed.patch, ready for upstream: `tests/host/patches.sh`), or always
lets RCU free the page (always-rcu-fixed.patch). All workloads and the window in a kernel with PROVE_RCU, PAGE_POISONING, DEBUG_OBJECTS_RCU_HEAD,
PAGE_TABLE_CHECK and MEMCG:

\(seen("checks"))

(lockdep turns itself off while ppc64 boots, and with it PROVE_RCU: `DEBUG_LOCKS_WARN_ON(lockdep_hardirq_context())`. lockdep.patch silences that one check.)

## Beside it

- **The fallback for one table**, when mmu_gather finds no page for its batch (`inject`, \(counter("hash/2"; "inject"; "merged"; "alone")) tables in a boot of merged, \(counter("hash/2"; "inject"; "always-rcu"; "alone")) of always-rcu): each waits for a
  grace period of its own in place (`tlb_remove_table_sync_rcu()`), and with always-rcu its page for one more. \(times("hash/2"; "inject"; "merged")) ms with merged, \(times("hash/2"; "inject"; "always-rcu")) with always-rcu,
  \(times("hash/2"; "inject"; "always-rcu-taught")) where PTE tables are freed without that wait; with 4 KiB pages, where each table is a page, \(times("hash4k/2"; "inject"; "merged")), \(times("hash4k/2"; "inject"; "always-rcu")) and \(times("hash4k/2"; "inject"; "always-rcu-taught")).
- **khugepaged in place of MADV_COLLAPSE, and a memory control group of its own** are among the workloads of the checked kernels above: page tables are
  uncharged when their page is freed, by RCU or not.
- **The kernel's own tables** are fragments of pages of their own (`init_mm.context.pte_frag`), for which nobody calls `pte_frag_destroy()`: the
  use-after-free cannot happen to them. `pte_fragment_free()` frees theirs at once in merged (`kernel` is 1 there, whatever Active says); always-rcu
  has them wait as well, as the posted diff has (`pgtable_free_cb_kernel()`), which costs a callback a page. With hash they are freed only where two populate the same entry and one
  loses; with radix also where memory is taken out (not tried) and where a huge mapping takes the place of small ones: here those of vmalloc's own
  test (`lib/test_vmalloc.c`) while the kernel boots, with page poisoning, and with 4 KiB pages, as it takes 256 tables to give back one of 64 KiB:

\(seen("kernel"))

## Could PT_RECLAIM be on?

For PTE tables, which is all that it frees: two things stand against it. One is the fallback `__tlb_remove_table_one()`, which takes a ptdesc for granted to have
an rcu_head. pt-reclaim.patch keeps the fallback of today for the upper levels, and over always-rcu-fixed and one-table.patch a PTE fragment is dropped straight away, since
its page waits by itself. The other is the hash MMU. `zap_pte_range()` takes an emptied table away within lazy MMU mode, in which powerpc puts the invalidation of
hash table entries off, up to 192 of them, and counts on the table's lock to keep others out: with the PMD cleared another CPU can have a new table and a new lock, and
insert a second entry for the same address. qemu takes the first of two and goes on; hardware may raise a machine check. Counted:

\(seen("early"))

lazy-mmu.patch ends lazy MMU mode before. With it, on two CPUs; `inject` are the two cases in which v3 warned; in `dontneed` two CPUs
are at one table, in the checked kernel:

\(seen("reclaim"))

In none of these boots an entry was pending. What it lacks: a page is freed when all of its fragments are, and a fragment is never handed out again. `sparse` keeps one table of 16, then makes all again and keeps
two, and so on: what the pages take has nothing to do with VmPTE any more, and grows. PT_RECLAIM here would want an allocator of fragments that takes them back.
The upper levels, which PT_RECLAIM leaves alone, would take an rcu_head, or another deferred free, of their own to be RCU-freed one by one. Powerpc's other MMUs were not looked at.

## All measurements

With 1 and 4 CPUs the workloads are half as long as with 2, and only the two ways that were on the table are measured.
\($tables)

\"Twice\": given to `call_rcu()` by a callback of RCU's, mmu_gather's. \"Within noise\": the ranges of the runs overlap. The mix ends after a time that is
given: its counters say how much was done.

![run times](powerpc-fragments.svg)
"
