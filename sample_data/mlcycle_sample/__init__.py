"""The sample product of mlcycle: "Harbour Box", a subscription box that wants to know who will cancel.

Its files, declarations and story use the public API of mlcycle only; nothing in the library knows this
package. Import the module you need (`generate`, `workspace`, `expected`): this one stays empty, so that
importing it costs nothing.
"""
