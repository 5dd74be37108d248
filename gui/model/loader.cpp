#include "gui/model/loader.hpp"

namespace shadowtune::gui {

Loader::Loader() : m_worker{new QObject} {
    qRegisterMetaType<FileContents>();
    qRegisterMetaType<HeatmapPtr>();
    qRegisterMetaType<TimelinePtr>();
    qRegisterMetaType<RecordingPtr>();
    m_worker->moveToThread(&m_thread);
    connect(&m_thread, &QThread::finished, m_worker, &QObject::deleteLater);
    m_thread.setObjectName("loader");
    m_thread.start();
}

Loader::~Loader() {
    for (auto& newest : m_newest)
        ++newest; // what waits is not wanted any more
    m_thread.quit();
    m_thread.wait();
}

template <typename Work>
void Loader::post(Kind kind, Work work) {
    // Files are listed one after the other; of the rest the newest makes those before it void.
    const std::uint64_t number{++m_newest[kind]};
    ++m_waiting;
    QMetaObject::invokeMethod(m_worker, [this, kind, number, work = std::move(work)] {
        if (kind == kind_list || number == m_newest[kind]) work();
        // Behind the answer in the GUI's queue.
        QMetaObject::invokeMethod(
            this,
            [this] {
                if (--m_waiting == 0) emit idle();
            },
            Qt::QueuedConnection);
    });
}

void Loader::fail(const std::string& file, const db::Error& error) {
    emit failed(QString::fromStdString(file), QString::fromStdString(error.message));
}

void Loader::list(const std::string& file) {
    post(kind_list, [this, file] {
        const auto contents{m_source.list(file)};
        if (!contents) return fail(file, contents.error());
        emit listed(contents.value());
    });
}

void Loader::heatmap(const HeatmapRequest& request) {
    post(kind_heatmap, [this, request] {
        const auto heatmap{m_source.heatmap(request)};
        if (!heatmap) return fail(request.key.file, heatmap.error());
        emit heatmap_ready(heatmap.value());
    });
}

void Loader::timeline(const RecordingKey& key) {
    post(kind_timeline, [this, key] {
        const auto timeline{m_source.timeline(key)};
        if (!timeline) return fail(key.file, timeline.error());
        emit timeline_ready(timeline.value());
    });
}

void Loader::compare(const RecordingKey& first, const RecordingKey& second) {
    post(kind_compare, [this, first, second] {
        std::array<RecordingPtr, 2> recordings{};
        std::array<TimelinePtr, 2> timelines{};
        const std::array<const RecordingKey*, 2> keys{&first, &second};
        for (std::size_t i{0}; i < keys.size(); ++i) {
            const auto recording{m_source.read(*keys[i], {})};
            if (!recording) return fail(keys[i]->file, recording.error());
            const auto timeline{m_source.timeline(*keys[i])};
            if (!timeline) return fail(keys[i]->file, timeline.error());
            recordings[i] = recording.value();
            timelines[i] = timeline.value();
        }
        emit compared(recordings[0], timelines[0], recordings[1], timelines[1]);
    });
}

} // namespace shadowtune::gui
