"""The handbook, to be read beside the window."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QDialog, QFrame, QTextBrowser, QWidget

from ddpm_studio import language, paths
from ddpm_studio.gui.widgets.basics import column
from ddpm_studio.language import tr


class Handbook(QDialog):
    """Raises OSError when it is not there."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("handbook")
        self.setWindowTitle(tr("Handbook"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = QTextBrowser()
        self.text.setObjectName("handbookText")
        self.text.setAccessibleName(tr("Handbook"))
        self.text.setFrameShape(QFrame.Shape.NoFrame)
        self.text.setOpenExternalLinks(True)
        self.text.setMarkdown(paths.guide_file(language.spoken()).read_text(encoding="utf-8"))
        self.text.document().setDocumentMargin(16)
        self._space_out()
        self.text.moveCursor(QTextCursor.MoveOperation.Start)
        self.setLayout(column(self.text))
        self.resize(760, 720)

    def _space_out(self) -> None:
        """Qt sets paragraphs of Markdown close together."""
        cursor, block = QTextCursor(self.text.document()), self.text.document().begin()
        while block.isValid():
            cursor.setPosition(block.position())
            spaced = block.blockFormat()
            if not spaced.nonBreakableLines() and cursor.currentTable() is None:  # lines of code and cells of tables stay as they are
                spaced.setTopMargin(16 if spaced.headingLevel() else 4)
                spaced.setBottomMargin(4)
                cursor.setBlockFormat(spaced)
            block = block.next()
