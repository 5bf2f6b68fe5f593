# SPDX-License-Identifier: GPL-2.0
"""pt-walk: the page table entries that translate one address."""

import gdb

from .. import mm, page, pagetable, sched
from ..command import Argument, Command, Function, Problem, address, space, space_of
from ..machines import machine
from .gather import size_in_words


class Walk(Command):
    """Walk the page tables for an address: pt-walk ADDR [TASK]

    Shows the VMA, then each level's entry: its address, its value, its flags
    in words, and the table or page that it leads to: page frame, struct,
    references, type.  The walk ends at the first entry that is not present.

    ADDR  an expression, such as 0x40000000 or start + 4096
    TASK  whose address space: `current` (the default), a pid, a struct
          task_struct * or a struct mm_struct * (&init_mm is the kernel's own)

    In expressions and conditions:
      $pt_entry(ADDR, "pmd"[, TASK])  the value of that level's entry, 0 if not reached
      $pt_page(ADDR[, TASK])          the struct page * that ADDR is mapped to, or NULL"""

    name = "pt-walk"
    arguments = (Argument("ADDR", address), Argument("TASK", space, "current"))

    def run(self, addr, whose):  # pylint: disable=arguments-differ
        steps = walk(addr, whose)
        print(f"{addr:#x} in {whose.name}, mm {int(whose.mm):#x}")
        vma = mm.find_vma(whose.mm, addr)
        print("VMA  " + (f"{mm.describe(vma)}  (struct vm_area_struct *) {int(vma.value):#x}" if vma else no_vma(whose)))
        for step in steps:
            print(f"{step.level}[{pagetable.index(step, addr)}]".ljust(9) +
                  f"at {step.address:#x}  {step.value:#014x}  {pagetable.describe(step.value, step.level)}")
            print("         " + leads_to(step, addr))


def walk(addr, whose):
    """Return the entries (list of pagetable.Entry) for @addr (int) in @whose (Space)."""
    if not pagetable.covers(addr):
        raise Problem("address", hex(addr), f"page tables cover {pagetable.address_bits()} bits only")
    return pagetable.walk(whose.mm, addr)


def no_vma(whose):
    """Return what it means that no VMA of @whose (Space) has an address."""
    if int(whose.mm) != int(gdb.parse_and_eval("&init_mm")):
        return "none: an access would be a SIGSEGV"
    # UML's own image and memory are mappings of the host's, and in no table.
    return "none: the kernel's own addresses have none" + \
        (", and only vmalloc's are in its tables" if machine().name == "uml" else "")


def leads_to(step, addr):
    """Return in words where @step (pagetable.Entry) of the walk of @addr (int) leads to."""
    if not pagetable.is_present(step.value):
        if step.level != "pte":
            return f"-> no {below(step.level)} table"
        return "-> no page"
    table = pagetable.reaches(step)
    if pagetable.is_leaf(step):
        size = pagetable.leaf_size(step)
        huge = f"{size_in_words(size)} from frame {pagetable.pfn(step.value, step.level):#x} on; this address: " \
            if size > page.size() else ""
        return f"-> {huge}{page_in_words(page_of(step, addr))}"
    desc = pagetable.ptdesc_of(step.value, step.level)
    # Several tables may share a page, as powerpc's do; some of those are from a kmem_cache.
    within = table & page.size() - 1
    words = f"-> {below(step.level)} table at {table:#x}, " + (f"{within:#x} into the page of " if within else "")
    head = page.head_of(page.pfn_to_page(pagetable.pfn(step.value, step.level)))
    if page.type_name(head) == "slab":
        return f"{words}(struct page *) {int(desc):#x}, type slab"
    return f"{words}(struct ptdesc *) {int(desc):#x}, references {page.refcount(desc)}, type {page.type_name(desc)}"


def page_of(step, addr):
    """Return the struct page * of @addr (int) in what the present leaf @step (pagetable.Entry) maps, a huge page or not."""
    inside = addr & pagetable.leaf_size(step) - 1
    return page.pfn_to_page(pagetable.pfn(step.value, step.level) + inside // page.size())


def levels():
    """Return the names (list of str) of the levels of this machine's page tables, the PGD's first."""
    return [level.name for level in machine().levels()]


def below(level):
    """Return the level (str) that entries of @level (str) lead to."""
    return levels()[levels().index(level) + 1]


def page_in_words(frame):
    """Return @frame (struct page *) in words: its folio, who counts it, its flags."""
    head = page.head_of(frame)
    words = f"(struct page *) {int(frame):#x}"
    if int(head) != int(frame):
        words += f" of folio {int(head):#x}"
    kind = page.type_name(head)
    words += f", references {page.refcount(head)}, "
    words += f"mapped {page.mapcount(frame)} times" if kind == "none" else f"type {kind}"
    return f"{words}, {' '.join(page.flags(head)) or 'no flags'}"


class _Entry(Function):
    """Return the value of the page table entry of a level ("pgd" to "pte") for an address."""

    name = "pt_entry"

    def value(self, addr, level, whose="current"):
        if level.type.strip_typedefs().code not in (gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_PTR):
            raise Problem("level", level, f'give one of {", ".join(levels())}, in quotes')
        wanted = level.string(errors="replace")
        if wanted not in levels():
            raise Problem("level", wanted, f"give one of {', '.join(levels())}")
        for step in walk(int(addr) & (1 << 64) - 1, space_of(whose)):
            if step.level == wanted:
                return gdb.Value(step.value).cast(gdb.lookup_type("unsigned long"))
        return gdb.Value(0).cast(gdb.lookup_type("unsigned long"))


class _Page(Function):
    """Return the struct page * that an address is mapped to, NULL if to none."""

    name = "pt_page"

    def value(self, addr, whose="current"):
        last = walk(int(addr) & (1 << 64) - 1, space_of(whose))[-1]
        if pagetable.is_leaf(last) and pagetable.reaches(last) is not None:
            return page_of(last, int(addr))
        return gdb.Value(0).cast(gdb.lookup_type("struct page").pointer())


Walk()
_Entry()
_Page()
