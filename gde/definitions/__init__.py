"""Digests of definitions: functions, classes and values at the top of a module, with all of gde that they refer to.

A result depends on what its code refers to, wherever that stands and whatever it is called. From its roots a digest
(`digest`) follows every name and attribute that means something at the top of a module of gde (`modules`): through
imports at the top and inside functions, other names (`as`), relative imports, what packages import for others,
decorators, base classes and functions handed on by name. All of it counts in a canonical form (`form`), without the
texts of messages (`messages`), in the order in which it is met: moving or renaming modules and definitions changes
nothing, and neither does what is never met. Statements that do something when a module is imported count once anything
of that module does.

What no syntax tree tells is said by lists in `modules` and by the roots:
- A table (`TABLES`) names the class, or the "module:Class", of a kind. `TABLE["key"]` means that entry, any other use
  of a table means nothing: who makes a digest names the entries among its roots, "module:TABLE[key]".
- A string "module:name" means that definition, and a module that is handed on as a value all that it defines.
- Methods count with their class, whoever calls them, `getattr` too, but for services (`SERVICES`), which belong to a
  digest only if its roots ask for them.
- What is `LEFT_OUT` decides no number. What is `QUIET` only speaks to the user: its arguments mean nothing either.
"""
